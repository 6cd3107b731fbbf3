import { PLANNED_ANEW } from '../pool.ts'
import { endNote, signedEndNote } from './end-note.ts'
import { clockAfter } from './lease.ts'

/**
 * CTEs that end sessions, and by the triggers their locks; `ended` has their ids. `victims` selects the rows to lock;
 * what is judged is judged again by the clock read after the locks: a touch that came first keeps its session.
 *
 * A session that the client named stays as a tombstone; another's row is deleted by the trigger, once the history of
 * its locks was written. `note` tells the history why.
 */
function ending(schema: string, victims: string, condition: string, reason: string, note: string): string {
  return `with victim as materialized (
  ${victims}
),
clock as materialized (
  ${clockAfter('victim')}
),
dead as materialized (
  select victim.* from victim, clock where ${condition}
),
noted as materialized (
  ${note}
),
ended as (
  update ${schema}.sessions s set ended_at = clock.t, end_reason = '${reason}'
  from clock
  where s.id = any(array(select dead.id from dead, noted)) and s.ended_at is null
  returning s.id
)`
}

/** What an explicit end does. $1 session id, $2 user, or null for anybody's, $3 who ends it. */
export function endSessionSql(schema: string): string {
  const ended = ending(
    schema,
    `select s.id, s.expires_at from ${schema}.sessions s
  where s.id = $1::uuid and ($2::text is null or s.user_name = $2) and s.ended_at is null
  for update`,
    'victim.expires_at > clock.t',
    'ended',
    signedEndNote("'session_ended'", '$3::text', 'null'),
  )
  return `${ended}
select id from ended`
}

/** Sessions that have expired, and the rest of their `victims` stays. */
function endingExpired(schema: string, victims: string): string {
  return `${ending(schema, victims, 'victim.expires_at <= clock.t', 'expired', endNote('expired'))}
select id from ended`
}

/**
 * What an acquirer does to the expired sessions that stand in its way. It does not wait: whoever holds such a
 * row is touching or ending it, and the acquirer looks again. $1 session ids.
 */
export function endExpiredSql(schema: string): string {
  return endingExpired(
    schema,
    `select s.id, s.expires_at
  from (select distinct id from unnest($1::uuid[]) as wanted_id(id) order by id) one
  cross join lateral (
    select id, expires_at from ${schema}.sessions
    where id = one.id and ended_at is null
    for update skip locked
  ) s`,
  )
}

/** What a sign-in does to an expired session that has its secret. $1 hash of the secret. */
export function endSecretSql(schema: string): string {
  return endingExpired(
    schema,
    `select s.id, s.expires_at from ${schema}.sessions s
  where s.secret_hash = $1::bytea and s.ended_at is null
  for update`,
  )
}

/** What one step of a sweep came to. */
export interface SweepRow {
  readonly sessions: number
  readonly tombstones: number
  /** The last row that was looked at, where there may be more in the stretch. */
  readonly stopped_at: string | null
  /** Pages of the table. */
  readonly pages: number
}

/**
 * One step of a walk through the table in the order of its rows' places: ends the sessions of a stretch that have
 * expired, and removes its old tombstones. There is no index on any time, since it would end HOT updates. So the walk
 * reads every row, but each of them once: a scan that began at the top for every batch would read again and again
 * what the batches before it left dead, and a million sessions would take a thousand scans of a million rows.
 *
 * It waits for nobody: a row that is locked is being touched or ended, and the next sweep passes it again. So does a
 * session whose row was moved by an update to a place behind the walk.
 *
 * Planned each time, since a plan that was made for a table of one page would read the whole of a large one.
 *
 * $1 the place after which the stretch begins, $2 the place before which it ends, $3 how many rows at most,
 * $4 for how long tombstones stay, in seconds.
 */
export function sweepSql(schema: string): string {
  const swept = ending(
    schema,
    `select s.ctid as place, s.id, s.expires_at, s.ended_at
  from ${schema}.sessions s
  where s.ctid > $1::tid and s.ctid < $2::tid
    and (
      s.ended_at is null and s.expires_at <= now()
      or s.ended_at <= now() - make_interval(secs => $4::float8)
    )
  limit $3::int
  for update skip locked`,
    'victim.ended_at is not null or victim.expires_at <= clock.t',
    'expired',
    endNote('expired'),
  )
  return `${PLANNED_ANEW}${swept},
removed as (
  delete from ${schema}.sessions s
  where s.id = any(array(select id from dead where ended_at is not null))
  returning s.id
)
select
  (select count(*) from ended)::int as sessions,
  (select count(*) from removed)::int as tombstones,
  (select max(place)::text from victim having count(*) >= $3::int) as stopped_at,
  (pg_relation_size('${schema}.sessions') / current_setting('block_size')::int)::int as pages`
}
