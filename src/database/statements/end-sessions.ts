import { clockAfter } from './lease.ts'

/**
 * Ends sessions, and by the triggers their locks. `victims` selects the rows to lock; what is judged is judged
 * again by the clock read after the locks: a touch that came first keeps its session.
 *
 * A session that the client named stays as a tombstone; another's row is deleted.
 */
function ending(schema: string, victims: string, condition: string, reason: string): string {
  return `with victim as materialized (
  ${victims}
),
clock as materialized (
  ${clockAfter('victim')}
),
dead as materialized (
  select victim.* from victim, clock where ${condition}
),
deleted as (
  delete from ${schema}.sessions s using dead where s.id = dead.id and not dead.named returning s.id
),
ended as (
  update ${schema}.sessions s set ended_at = clock.t, end_reason = '${reason}'
  from dead, clock
  where s.id = dead.id and dead.named
  returning s.id
)
select id from deleted union all select id from ended`
}

/** What an explicit end does. $1 session id, $2 user, or null for anybody's. */
export function endSessionSql(schema: string): string {
  return ending(
    schema,
    `select s.id, s.named, s.expires_at from ${schema}.sessions s
  where s.id = $1::uuid and ($2::text is null or s.user_name = $2) and s.ended_at is null
  for update`,
    'victim.expires_at > clock.t',
    'ended',
  )
}

/**
 * What an acquirer does to the expired sessions that stand in its way. It does not wait: whoever holds such a
 * row is touching or ending it, and the acquirer looks again. $1 session ids.
 */
export function endExpiredSql(schema: string): string {
  return ending(
    schema,
    `select s.id, s.named, s.expires_at from ${schema}.sessions s
  where s.id = any($1::uuid[]) and s.ended_at is null
  order by s.id
  for update skip locked`,
    'victim.expires_at <= clock.t',
    'expired',
  )
}

/** What a sign-in does to an expired session that has its secret. $1 hash of the secret. */
export function endSecretSql(schema: string): string {
  return ending(
    schema,
    `select s.id, s.named, s.expires_at from ${schema}.sessions s
  where s.secret_hash = $1::bytea and s.ended_at is null
  for update`,
    'victim.expires_at <= clock.t',
    'expired',
  )
}

/**
 * What the sweeper does. There is no index on any time, since it would end HOT updates: the scan of 100,000
 * sessions takes some 8 ms. $1 how many at most.
 */
export function sweepExpiredSql(schema: string): string {
  return ending(
    schema,
    `select s.id, s.named, s.expires_at from ${schema}.sessions s
  where s.ended_at is null and s.expires_at <= clock_timestamp()
  limit $1
  for update skip locked`,
    'victim.expires_at <= clock.t',
    'expired',
  )
}

/** Removes tombstones. $1 how many at most, $2 retention in seconds. */
export function sweepTombstonesSql(schema: string): string {
  return `with old as materialized (
  select s.id from ${schema}.sessions s
  where s.ended_at <= now() - make_interval(secs => $2::float8)
  limit $1
  for update skip locked
)
delete from ${schema}.sessions s using old where s.id = old.id returning s.id`
}
