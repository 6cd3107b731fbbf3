import type { Session } from '../locks/session.ts'

/** The times of a session as every statement returns them. */
export interface LeaseRow {
  readonly started: Date
  readonly last_touch: Date
  /** Null where the session never expires. */
  readonly expires_at: Date | null
  /** Seconds. */
  readonly expires_in: number | null
}

export interface SessionRow extends LeaseRow {
  readonly id: string
  readonly user_name: string
  readonly client: string | null
  /** Seconds. */
  readonly ttl: number | null
  readonly ends_with_last_lock: boolean
}

export function sessionOf(row: SessionRow): Session {
  return {
    id: row.id,
    user: row.user_name,
    client: row.client,
    ttlSeconds: row.ttl,
    started: row.started,
    lastTouch: row.last_touch,
    expiresAt: row.expires_at,
    expiresInSeconds: row.expires_in === null ? null : Math.max(0, row.expires_in),
    endsWithLastLock: row.ends_with_last_lock,
  }
}
