import type { Resource } from './resource.ts'

/** A value that JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

/** One grant of one resource to one session. */
export interface Lock {
  /** A positive integer in decimal; a new one for every grant. */
  readonly id: string
  /** Greater than that of every earlier grant of the same resource, for ever. */
  readonly fencingToken: number
  readonly resource: Resource
  /** The user of the session that holds the lock. */
  readonly holder: string
  /** The workstation or program, if the session named one. */
  readonly client: string | null
  readonly sessionId: string
  /** An id that the client brought. */
  readonly reference: string | null
  readonly metadata: JsonObject
  /** When the lock was granted. */
  readonly lockTime: Date
  readonly sessionLastTouch: Date
  /** Null: held until released. */
  readonly expiresAt: Date | null
  /** Measured by the database when it answered, so that a client needs no synchronised clock. */
  readonly expiresInSeconds: number | null
}

/** A lock as an acquire answers it: `existing` where the session (or user) held it already. */
export interface Grant {
  readonly lock: Lock
  readonly existing: boolean
}

/** Largest metadata of one lock, in bytes of its JSON text. */
export const MAX_METADATA_BYTES = 4096

/** Longest `reference`, in bytes of UTF-8. */
export const MAX_REFERENCE_BYTES = 255
