import type { JsonObject, Lock } from '../locks/lock.ts'

/** A lock with what its session adds to it, as every statement here returns it. */
export interface LockRow {
  readonly id: string
  readonly namespace: string
  readonly resource_type: string
  readonly resource_id: string
  readonly session_id: string
  readonly fencing_token: string
  readonly holder: string
  readonly client: string | null
  readonly reference: string | null
  readonly metadata: JsonObject
  readonly lock_time: Date
  readonly last_touch: Date
  /** Null where the session never expires. */
  readonly expires_at: Date | null
  /** Seconds. */
  readonly expires_in: number | null
}

export function lockOf(row: LockRow): Lock {
  return {
    id: row.id,
    fencingToken: fencingTokenOf(row.fencing_token),
    resource: { namespace: row.namespace, type: row.resource_type, id: row.resource_id },
    holder: row.holder,
    client: row.client,
    sessionId: row.session_id,
    reference: row.reference,
    metadata: row.metadata,
    lockTime: row.lock_time,
    sessionLastTouch: row.last_touch,
    expiresAt: row.expires_at,
    expiresInSeconds: row.expires_in === null ? null : Math.max(0, row.expires_in),
  }
}

/** Throws where a double cannot hold it: a rounded token would be another grant's. */
export function fencingTokenOf(text: string): number {
  const token = Number(text)
  if (!Number.isSafeInteger(token)) throw new RangeError(`fencing token ${text} is beyond 2^53`)
  return token
}
