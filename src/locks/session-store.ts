import type { Session } from './session.ts'

/** A new session. `id: null` leaves the choice of the id to the service. */
export interface SessionRequest {
  readonly id: string | null
  readonly user: string
  readonly client: string | null
  readonly ttlSeconds: number | null
}

export type SessionOutcome =
  /** `existing`: it was there already, and was touched. */
  | { readonly kind: 'live'; readonly session: Session; readonly existing: boolean }
  | { readonly kind: 'session_expired' }
  | { readonly kind: 'session_not_found' }
  | { readonly kind: 'session_forbidden' }

export interface SessionFilter {
  readonly user?: string | undefined
  readonly afterSessionId?: string | undefined
  readonly limit: number
}

export interface SweepCount {
  /** Sessions that had expired and were ended. */
  readonly sessions: number
  /** Tombstones past their retention that were removed. */
  readonly tombstones: number
}

/** One step of a sweep, which walks through all sessions. */
export interface SweepStep extends SweepCount {
  /** Where the next step begins; null: this was the last. */
  readonly next: string | null
}

/** Where sessions live. Throws `DatabaseTrouble` like LockStore. */
export interface SessionStore {
  /** Creates the session, or touches the live one of that id and user. */
  create(request: SessionRequest): Promise<SessionOutcome>
  /** Sets the last touch to the database's clock and moves the expiry; never shortens it. */
  touch(sessionId: string, user: string): Promise<SessionOutcome>
  get(sessionId: string, user: string | null): Promise<Session | undefined>
  /**
   * Ends the session and all its locks. `user: null` stands for an administrator; `by` is who ends it, where it is not
   * that user. False: no such live session.
   */
  end(sessionId: string, user: string | null, by?: string): Promise<boolean>
  /** Live sessions in the order of their ids. */
  list(filter: SessionFilter): Promise<readonly Session[]>
  /** Live sessions in the whole database; estimated where there are very many. */
  count(): Promise<number>
  /** One step of tidying: at most `limit` expired sessions and tombstones. `from` is the `next` of the step before. */
  sweep(limit: number, from: string | null): Promise<SweepStep>
}
