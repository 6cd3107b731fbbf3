import type { Database } from './database.ts'

/** Something that must never be, as the view `audit` shows it. */
export interface Fault {
  readonly fault: string
  readonly namespace: string | null
  readonly resource_type: string | null
  readonly resource_id: string | null
  readonly lock_id: string | null
  readonly detail: string
}

export interface AuditReport {
  /** At most as many as were asked for. */
  readonly faults: readonly Fault[]
  readonly faultCount: number
  readonly events: number
  readonly locks: number
  /** Null: the history is switched off. */
  readonly completeSince: Date | null
}

/** Looks for broken promises in the rows, all at one instant. Reads the whole history. */
export async function audit(database: Database, limit: number): Promise<AuditReport> {
  const { schema } = database
  const [row] = await database.run<{
    readonly faults: readonly Fault[] | null
    readonly fault_count: string
    readonly events: string
    readonly locks: string
    readonly complete_since: Date | null
  }>(
    `with found as materialized (select * from ${schema}.audit)
select (select json_agg(f) from (select * from found order by fault, lock_id limit $1) f) as faults,
  (select count(*) from found) as fault_count,
  (select count(*) from ${schema}.lock_events) as events,
  (select count(*) from ${schema}.locks) as locks,
  (select complete_since from ${schema}.history) as complete_since`,
    [limit],
  )
  if (row === undefined) throw new Error('the audit answered nothing')
  return {
    faults: row.faults ?? [],
    faultCount: Number(row.fault_count),
    events: Number(row.events),
    locks: Number(row.locks),
    completeSince: row.complete_since,
  }
}
