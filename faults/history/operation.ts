/** What a client, or a DBA, asked for. */
export const KINDS = [
  'acquire',
  'take_over',
  'touch',
  'touch_session',
  'release',
  'force_release',
  'look',
  'start_session',
  'end_session',
  'delete_by_hand',
  'end_by_hand',
] as const
export type Kind = (typeof KINDS)[number]

/**
 * - `ok`: it was done, or the answer to a look.
 * - `refused`: it was answered that it was not done, and why (`code`).
 * - `unchanged`: the service could not do it, and says that nothing happened.
 * - `unknown`: no answer, or one that says that nobody knows.
 */
export type Outcome = 'ok' | 'refused' | 'unchanged' | 'unknown'

/** A lock as an answer showed it. */
export interface SeenLock {
  readonly key: number
  /** The lock's id, new for every grant. */
  readonly lock: string
  readonly token: number
  readonly session: string
  /** The number of the acquire that was granted, which it brought as its reference. -1: none. */
  readonly by: number
  /** Of an acquire: the lock was held already. */
  readonly existing: boolean
}

/** One request and its answer. Times are of the harness's one monotonic clock, in microseconds. */
export interface Operation {
  readonly number: number
  readonly client: number
  readonly user: string
  /** The replica that was asked. */
  readonly service: string
  readonly kind: Kind
  /** Numbers of the resources that it names. */
  readonly keys: readonly number[]
  /** Named by the client; null where the service names it. */
  readonly session: string | null
  readonly lock: string | null
  readonly ttlMs: number | null
  readonly sentUs: number
  /** When the whole answer was there; null where none came. */
  readonly answeredUs: number | null
  readonly outcome: Outcome
  /** The code of a refusal or of trouble; empty otherwise. */
  readonly code: string
  /** Locks that the answer showed: granted, held, or in the way. */
  readonly seen: readonly SeenLock[]
}

/** What happened beside the operations, and matters to whoever judges them. */
export interface Mark {
  readonly mark: 'fault' | 'failover' | 'healed' | 'log'
  readonly what: string
  readonly fromUs: number
  readonly toUs: number
}

/** What the database's own log says, in the order of its commits. */
export type LogEntry =
  | {
      readonly log: 'grant'
      readonly lock: string
      readonly namespace: string
      readonly key: number
      readonly token: number
      readonly session: string
      /** The number of the acquire. */
      readonly by: number
    }
  | { readonly log: 'end'; readonly lock: string }

export const US_PER_MS = 1000
