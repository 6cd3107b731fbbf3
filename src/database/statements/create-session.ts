/**
 * A session made by an explicit call: always named, so that its tombstone refuses late duplicates. No row where
 * the id is taken, and nothing has changed then.
 *
 * $1 id, $2 user, $3 client, $4 ttl in seconds or null.
 */
export function createSessionSql(schema: string): string {
  return `with clock as materialized (
  select clock_timestamp() as t
)
insert into ${schema}.sessions
  (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
select $1::uuid, $2, $3, make_interval(secs => $4::float8), true, false, t, t,
  coalesce(t + make_interval(secs => $4::float8), 'infinity')
from clock
on conflict (id) do nothing
returning started, last_touch, nullif(expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(expires_at, 'infinity') - last_touch)::float8 as expires_in`
}
