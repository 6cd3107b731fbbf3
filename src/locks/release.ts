import type { Expand } from './acquire.ts'
import type { Lock } from './lock.ts'
import type { Resource } from './resource.ts'

/** A name inside the namespace of the selection. */
type Name = Omit<Resource, 'namespace'>

/** An administrator who releases what others hold, and why; both go into the history. */
export interface Force {
  readonly by: string
  readonly reason: string
}

/** Locks of one namespace that are released together, or not at all. */
export interface ReleaseChoice {
  readonly namespace: string
  readonly which:
    | { readonly kind: 'locks'; readonly lockIds: readonly string[] }
    | { readonly kind: 'resources'; readonly resources: readonly Name[] }
    /** Whatever the holder (and client) has in the namespace; what others have is not chosen. */
    | { readonly kind: 'all' }
    /** What the resource stands for by the catalogue, as in an acquire. */
    | { readonly kind: 'expanded'; readonly resource: Name; readonly expand: Expand }
  /** The client that the sessions must have, null for none. Undefined: any. */
  readonly client?: string | null | undefined
}

/** And on whose behalf: only the holder's own, or anybody's by an administrator. */
export type ReleaseSelection = ReleaseChoice &
  ({ readonly holder: string; readonly force?: undefined } | { readonly holder: null; readonly force: Force })

/** A lock that was released. */
export interface Released {
  readonly lockId: string
  readonly holder: string
  readonly fencingToken: number
}

/**
 * What a release of many can come to. Only `released` changed anything, and with the count 0 not even that: nobody
 * held what was chosen.
 */
export type ReleaseOutcome =
  | {
      readonly kind: 'released'
      /** At most a thousand where locks or resources were named, MAX_LISTED otherwise. */
      readonly locks: readonly Released[]
      readonly count: number
      /** Whose locks they all were. */
      readonly holders: readonly string[]
    }
  /** Live locks among the chosen ones are others'; bounded like `locks`. */
  | { readonly kind: 'conflict'; readonly conflicts: readonly Lock[]; readonly conflictCount: number }
  | { readonly kind: 'selection_has_no_children'; readonly resources: readonly Resource[] }
  /**
   * The resource whose expansion was chosen is neither locked nor in the catalogue, in a closed namespace. Elements
   * that are not there refuse nothing, unlike in an acquire: a selection that was locked before one of them went
   * away could not be released any more.
   */
  | { readonly kind: 'resource_not_found'; readonly resources: readonly Resource[] }
  | { readonly kind: 'too_many_resources'; readonly most: number }
