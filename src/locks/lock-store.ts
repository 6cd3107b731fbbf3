import type { AcquireOutcome, AcquireRequest, Expand } from './acquire.ts'
import type { Lock } from './lock.ts'
import type { Force, ReleaseOutcome, ReleaseSelection } from './release.ts'
import type { Resource } from './resource.ts'

/** Which lock, and on whose behalf. */
export interface LockName {
  readonly namespace: string
  readonly lockId: string
  readonly holder: string
}

export interface LockFilter {
  readonly namespace: string
  readonly type?: string | undefined
  readonly id?: string | undefined
  readonly idPrefix?: string | undefined
  readonly holder?: string | undefined
  /** The client of the session; null: of sessions that named none. */
  readonly client?: string | null | undefined
  readonly sessionId?: string | undefined
  /** This lock alone, if the rest fits it. */
  readonly lockId?: string | undefined
  /** Only locks whose id is greater. */
  readonly afterLockId?: string | undefined
  readonly limit: number
}

/**
 * Where locks live. Every method answers for committed, durable facts, and throws `DatabaseTrouble` when it
 * cannot: an answer is never made up from a failure.
 */
export interface LockStore {
  /**
   * One outcome a request, in their places; which of them is served first is open. A refused request leaves nothing behind. Trouble with one of several rejects
   * the whole call with the outcome `unknown`, since the others may have been granted.
   */
  acquire(requests: readonly AcquireRequest[]): Promise<readonly AcquireOutcome[]>
  /** The lock after its session was touched; undefined where the holder has no such live lock. */
  touch(name: LockName): Promise<Lock | undefined>
  /** The lock that was released; undefined where the holder has no such live lock. */
  release(name: LockName): Promise<{ readonly holder: string; readonly fencingToken: number } | undefined>
  /** The same by an administrator, whoever holds it. */
  forceRelease(
    name: Omit<LockName, 'holder'>,
    force: Force,
  ): Promise<{ readonly holder: string; readonly fencingToken: number } | undefined>
  /** Releases all that is chosen and live, or nothing. Can be repeated. */
  releaseSet(selection: ReleaseSelection): Promise<ReleaseOutcome>
  get(namespace: string, lockId: string): Promise<Lock | undefined>
  /** Who holds the resource now. */
  find(resource: Resource): Promise<Lock | undefined>
  /** Live locks in the order of their ids. */
  list(filter: LockFilter): Promise<readonly Lock[]>
  /** Live locks of what the resource stands for by the catalogue, in the order of their types and ids. */
  listBelow(resource: Resource, expand: Expand, limit: number): Promise<readonly Lock[]>
  /** Live locks in the whole database; estimated where there are very many. */
  count(): Promise<number>
}
