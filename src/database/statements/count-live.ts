import { PLANNED_ANEW } from '../pool.ts'

/** Rows in a table from which on live ones are estimated. Counting so many takes some 50 ms. */
export const COUNTED_ROWS = 100_000

export interface CountRow {
  readonly live: string
}

/** Pages that tell what share of a large table is live. */
const SAMPLED_PAGES = 100

/**
 * How many rows of a table are live, asked again and again by whoever collects metrics: the time it takes must not grow
 * with the table. With ten million locks an exact count took five seconds and more of a core each time. So above
 * `$1` rows it is the number of rows that the last vacuum saw, times the share of live ones in a sample of its pages.
 * A sample without any row is one of a table that was emptied since: none, not all of them.
 *
 * Planned each time, so that a plan for a small table is not kept.
 */
function countLive(schema: string, table: string, live: string): string {
  const from = `${schema}.${table}`
  return `${PLANNED_ANEW}select (
  case when c.reltuples < $1::float8 then (
    select count(*)::float8 from ${from} r where ${live}
  )
  else c.reltuples * coalesce((
    select avg(case when ${live} then 1 else 0 end)
    from ${from} r
    tablesample system (${SAMPLED_PAGES} * 100.0 / (
      select greatest(pg_relation_size('${from}') / current_setting('block_size')::int, ${SAMPLED_PAGES})
    ))
  ), 0)
  end)::bigint as live
from pg_class c
where c.oid = '${from}'::regclass`
}

const LIVE_SESSION = 's.ended_at is null and s.expires_at > now()'

/** $1: from how many rows on to estimate. */
export function countSessionsSql(schema: string): string {
  return countLive(schema, 'sessions', LIVE_SESSION.replaceAll('s.', 'r.'))
}

/** $1: from how many rows on to estimate. */
export function countLocksSql(schema: string): string {
  const live = `exists (select from ${schema}.sessions s where s.id = r.session_id and ${LIVE_SESSION})`
  return countLive(schema, 'locks', live)
}
