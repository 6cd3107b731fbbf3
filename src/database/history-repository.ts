import { sql } from 'kysely'
import type { EventKind, HistoryFilter, HistoryStore, LockEvent } from '../locks/history.ts'
import type { Database } from './database.ts'

interface EventRow {
  readonly id: string
  readonly xid: string
  readonly kind: EventKind
  readonly at: Date
  readonly lock_id: string
  readonly fencing_token: string
  readonly namespace: string
  readonly resource_type: string
  readonly resource_id: string
  readonly session_id: string
  readonly holder: string
  readonly client: string | null
  readonly lock_time: Date
  readonly expired_at: Date | null
  readonly ended_by: string | null
  readonly reason: string | null
}

/**
 * The history in PostgreSQL. Ids are drawn before the commit, and so are the numbers of transactions: of two that were
 * under way together, the one with the lower number may commit last. So what is read stops before the oldest
 * transaction that is still under way. Everything before that has committed or never will, and stays where it is.
 */
export class HistoryRepository implements HistoryStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async list(filter: HistoryFilter): Promise<readonly LockEvent[]> {
    let query = this.#database.kysely
      .selectFrom('lock_events as e')
      .selectAll('e')
      .where('e.namespace', '=', filter.namespace)
      .where('e.xid', '<', sql<string>`pg_snapshot_xmin(pg_current_snapshot())`)
    if (filter.type !== undefined) query = query.where('e.resource_type', '=', filter.type)
    if (filter.id !== undefined) query = query.where('e.resource_id', '=', filter.id)
    if (filter.lockId !== undefined) query = query.where('e.lock_id', '=', filter.lockId)
    if (filter.holder !== undefined) query = query.where('e.holder', '=', filter.holder)
    if (filter.sessionId !== undefined) query = query.where('e.session_id', '=', filter.sessionId)
    if (filter.kind !== undefined) query = query.where('e.kind', '=', filter.kind)
    if (filter.from !== undefined) query = query.where('e.at', '>=', filter.from)
    if (filter.to !== undefined) query = query.where('e.at', '<', filter.to)
    if (filter.after !== undefined) {
      const [xid, id] = filter.after.split('.')
      const comparison = filter.order === 'oldest' ? sql`>` : sql`<`
      query = query.where(sql<boolean>`(e.xid, e.id) ${comparison} (${xid}::xid8, ${id}::bigint)`)
    }
    const direction = filter.order === 'oldest' ? 'asc' : 'desc'
    const rows = await query
      .orderBy('e.xid', direction)
      .orderBy('e.id', direction)
      .limit(filter.limit)
      .$castTo<EventRow>()
      .execute()
    return rows.map(eventOf)
  }

  async keep(days: number): Promise<number> {
    const { schema } = this.#database
    const [row] = await this.#database.run<{ done: number }>(`select ${schema}.keep_history($1) as done`, [
      days,
    ])
    return row?.done ?? 0
  }
}

function eventOf(row: EventRow): LockEvent {
  return {
    id: row.id,
    place: `${row.xid}.${row.id}`,
    kind: row.kind,
    at: row.at,
    lockId: row.lock_id,
    fencingToken: Number(row.fencing_token),
    resource: { namespace: row.namespace, type: row.resource_type, id: row.resource_id },
    sessionId: row.session_id,
    holder: row.holder,
    client: row.client,
    lockTime: row.lock_time,
    expiredAt: row.expired_at,
    endedBy: row.ended_by,
    reason: row.reason,
  }
}
