import type { Grant, JsonObject, Lock } from './lock.ts'
import type { Resource } from './resource.ts'

/** Under which session an acquire takes its locks. */
export type SessionChoice =
  /** One of its own, with an id made by the service. It ends with its last lock. */
  | { readonly kind: 'implicit'; readonly ttlSeconds: number | null }
  /** One that the client named: made on first use, touched on every later one. Can be repeated. */
  | {
      readonly kind: 'named'
      readonly id: string
      readonly ttlSeconds: number | null
      readonly endsWithLastLock: boolean
    }
  /** One that exists already. */
  | { readonly kind: 'existing'; readonly id: string }

/**
 * What the resources of a request stand for, by the catalogue of their namespace:
 *
 * - `none`: themselves alone.
 * - `elements`: a selection stands for itself and its elements, an object for itself.
 * - `children`: an object stands for itself and everything below it, at any depth; a selection refuses the request.
 * - `contents`: objects as in `children`, selections as in `elements`. Elements are not expanded further.
 *
 * What the catalogue does not have stands for itself; an element that it does not have refuses the request.
 */
export type Expand = 'none' | 'elements' | 'children' | 'contents'

/** A set of resources that is taken whole or not at all. */
export interface AcquireRequest {
  /** At least one, at most MAX_RESOURCES_PER_ACQUIRE, no two the same; all of one namespace if they are expanded. */
  readonly resources: readonly Resource[]
  readonly expand: Expand
  readonly holder: string
  readonly client: string | null
  readonly session: SessionChoice
  /**
   * Whose locks count as held already: those of this session, those of every live session of the same user, or of
   * the same user and client. A lock of another session stays with it, and that session is touched.
   */
  readonly reentry: 'session' | 'user' | 'client'
  /** An administrator takes over whatever others hold. */
  readonly takeover: { readonly reason: string } | null
  /** True: what other sessions of the same user hold is taken over from them, and is a new grant. */
  readonly replacesOwn: boolean
  /**
   * True: the holder has one such lock on the type in the namespace. An earlier one is given up in the same
   * transaction, if this one is granted. One resource, an implicit session, and re-entry by user only.
   */
  readonly isSole: boolean
  readonly reference: string | null
  readonly metadata: JsonObject
}

/**
 * What an acquire can come to. Only `granted` changed anything.
 *
 * `contended` means that no verdict could be had within the tries allowed, since others are at work on the
 * same resources: neither held nor free may be concluded from it.
 */
export type AcquireOutcome =
  | {
      readonly kind: 'granted'
      /** Of the resources that the request names, in its order; what they stand for besides is only counted. */
      readonly grants: readonly Grant[]
      /** All resources of the set, and how many of them were held already. */
      readonly count: number
      readonly existingCount: number
      /** Whose locks were taken over. */
      readonly takenFrom: readonly string[]
    }
  /** `conflicts` are all there are, but at most MAX_LISTED where the request was expanded. */
  | { readonly kind: 'conflict'; readonly conflicts: readonly Lock[]; readonly conflictCount: number }
  /**
   * The catalogue does not have these: named ones in a closed namespace, or elements of a selection. At most
   * MAX_LISTED of the latter.
   */
  | { readonly kind: 'resource_not_found'; readonly resources: readonly Resource[] }
  /** Selections, which the request would expand by children. */
  | { readonly kind: 'selection_has_no_children'; readonly resources: readonly Resource[] }
  /** The resources stand for more than this. */
  | { readonly kind: 'too_many_resources'; readonly most: number }
  | { readonly kind: 'session_expired' }
  | { readonly kind: 'session_not_found' }
  /** The named session is another user's. */
  | { readonly kind: 'session_forbidden' }
  | { readonly kind: 'contended' }
