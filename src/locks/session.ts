/** A client instance of a user. It holds locks; when it ends, all its locks end with it. */
export interface Session {
  /** A UUID. */
  readonly id: string
  readonly user: string
  readonly client: string | null
  /** Null: it never expires. */
  readonly ttlSeconds: number | null
  readonly started: Date
  readonly lastTouch: Date
  readonly expiresAt: Date | null
  readonly expiresInSeconds: number | null
  readonly endsWithLastLock: boolean
}

/** Bounds of `ttl`, in seconds. */
export const TTL_LIMITS = { min: 1, max: 86_400 } as const

/**
 * The ttl of a lock that was taken without a session. Short enough that a crashed client's lock is gone
 * in half a minute, long enough for a client that touches every ten seconds to miss two of them.
 */
export const DEFAULT_TTL_SECONDS = 30

const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Whether a text is a UUID, of whatever version. */
export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text)
}

/** Longest names of a user and of a client, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 255
