import type { Resource } from './resource.ts'

/** What can happen to a lock. Every one begins with `granted` and ends with one of the others. */
export const EVENT_KINDS = [
  'granted',
  'released',
  'expired',
  'session_ended',
  'taken_over',
  'forced',
  'deleted',
] as const
export type EventKind = (typeof EVENT_KINDS)[number]

/** One event of the history: a grant, or the end of a lock. */
export interface LockEvent {
  /** Of two events of one resource the later one has the greater id. */
  readonly id: string
  /** Where it stands in the history, to read on from; opaque but for its form (isHistoryPlace). */
  readonly place: string
  readonly kind: EventKind
  /** When it was written; of a grant, the lock time. */
  readonly at: Date
  readonly lockId: string
  readonly fencingToken: number
  readonly resource: Resource
  readonly sessionId: string
  readonly holder: string
  readonly client: string | null
  readonly lockTime: Date
  /** Of an expired lock: when it did. */
  readonly expiredAt: Date | null
  /** A user; of a deleted lock the role in the database. Null of a grant, and where nobody did. */
  readonly endedBy: string | null
  readonly reason: string | null
}

export interface HistoryFilter {
  readonly namespace: string
  readonly type?: string | undefined
  readonly id?: string | undefined
  readonly lockId?: string | undefined
  readonly holder?: string | undefined
  readonly sessionId?: string | undefined
  readonly kind?: EventKind | undefined
  readonly from?: Date | undefined
  /** Not included. */
  readonly to?: Date | undefined
  readonly order: 'oldest' | 'newest'
  /** Only what comes after this place, in that order. */
  readonly after?: string | undefined
  readonly limit: number
}

export interface HistoryStore {
  /**
   * Events in an order in which nothing is ever added before one that was answered. An event is answered when every
   * transaction that was under way before it has come to an end: after that, none can come to stand before it.
   */
  list(filter: HistoryFilter): Promise<readonly LockEvent[]>
  /**
   * Makes room for the events of the next days, or drops a day that is older than so many. How much was done; 0:
   * nothing is left to do now.
   */
  keep(days: number): Promise<number>
}

const PLACE = /^(\d{1,20})\.([1-9]\d{0,18})$/
const LARGEST_TRANSACTION = 2n ** 64n - 1n
const LARGEST_ID = 2n ** 63n - 1n

/** Whether a text has the form of a place in the history. */
export function isHistoryPlace(text: string): boolean {
  const [, transaction, id] = PLACE.exec(text) ?? []
  if (transaction === undefined || id === undefined) return false
  return BigInt(transaction) <= LARGEST_TRANSACTION && BigInt(id) <= LARGEST_ID
}
