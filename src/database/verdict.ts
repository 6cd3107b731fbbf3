import type { AcquireOutcome } from '../locks/acquire.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import type { AcquireBatchRow } from './statements/acquire-batch.ts'

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
