import type { AcquireOutcome } from '../locks/acquire.ts'
import type { Lock } from '../locks/lock.ts'
import { fencingTokenOf, type LockRow, lockOf } from './lock-row.ts'
import type { Pending } from './pending-acquire.ts'
import type { AcquireBatchRow } from './statements/acquire-batch.ts'
import type { AcquireOneRow, GrantedRow } from './statements/acquire-one.ts'

/** No verdict yet: to be tried again, once these sessions have been ended, which have expired and are in the way. */
export interface Again {
  readonly kind: 'again'
  readonly expired: readonly string[]
}

export type Verdict = AcquireOutcome | Again

export const AGAIN: Again = { kind: 'again', expired: [] }

/** What a statement that acquires says of one resource. */
export interface VerdictRow extends LockRow {
  readonly state: AcquireBatchRow['state']
  readonly taken_from?: string | null
}

/** What the row of a request for one resource under a session of its own comes to; without one: contended. */
export function verdictOfLone(row: AcquireOneRow | undefined, pending: Pending): Verdict {
  if (row?.state !== 'granted') return verdictOf(row === undefined ? [] : [row], 1)
  return {
    kind: 'granted',
    grants: [{ lock: grantedLock(row, pending), existing: false }],
    count: 1,
    existingCount: 0,
    takenFrom: [],
  }
}

/** A new grant, of what the request says and what the database alone knows. */
function grantedLock(row: GrantedRow, { request, sessionId }: Pending): Lock {
  const [resource] = request.resources
  const { session, holder, client, reference } = request
  if (resource === undefined || session.kind !== 'implicit') {
    throw new TypeError('not a request for one resource under a session of its own')
  }
  return {
    id: row.id,
    fencingToken: fencingTokenOf(row.fencing_token),
    resource,
    holder,
    client,
    sessionId,
    reference,
    metadata: row.metadata ?? {},
    lockTime: row.lock_time,
    sessionLastTouch: row.lock_time,
    expiresAt: afterSeconds(row.lock_time, session.ttlSeconds),
    expiresInSeconds: session.ttlSeconds,
  }
}

/** The end of a lease that the database has just begun, which no answer has to repeat. Null: none. */
function afterSeconds(start: Date, seconds: number | null): Date | null {
  return seconds === null ? null : new Date(start.getTime() + Math.round(seconds * 1000))
}

/** What the rows of one request, one a resource, come to. */
export function verdictOf(rows: readonly VerdictRow[], expected: number): Verdict {
  if (rows.length === expected && rows.every(({ state }) => state === 'granted' || state === 'existing')) {
    const takenFrom = rows.flatMap(({ taken_from }) => taken_from ?? [])
    return {
      kind: 'granted',
      grants: rows.map(row => ({ lock: lockOf(row), existing: row.state === 'existing' })),
      count: rows.length,
      existingCount: rows.filter(({ state }) => state === 'existing').length,
      takenFrom: [...new Set(takenFrom)],
    }
  }
  for (const kind of ['session_expired', 'session_not_found', 'session_forbidden'] as const) {
    if (rows.some(({ state }) => state === kind)) return { kind }
  }
  const unknown = rows.filter(({ state }) => state === 'resource_not_found')
  if (unknown.length > 0) {
    return {
      kind: 'resource_not_found',
      resources: unknown.map(row => ({
        namespace: row.namespace,
        type: row.resource_type,
        id: row.resource_id,
      })),
    }
  }
  const conflicts = rows.filter(({ state }) => state === 'conflict')
  if (conflicts.length > 0) {
    return { kind: 'conflict', conflicts: conflicts.map(lockOf), conflictCount: conflicts.length }
  }
  const expired = rows.filter(({ state }) => state === 'expired').map(row => row.session_id)
  return { kind: 'again', expired: [...new Set(expired)] }
}
