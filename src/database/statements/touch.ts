import { clockAfter, TOUCH } from './lease.ts'

/**
 * The sign of life, in the one shape that cannot revive a dead session: lock the session's row, read the clock
 * after that wait, then judge and write.
 *
 * `which` selects the session's id and `user` is compared with its user.
 */
function touching(schema: string, which: string, user: string): string {
  return `with present as materialized (
  select s.id, s.user_name, s.ttl, s.expires_at, s.ended_at
  from ${schema}.sessions s
  where s.id = ${which}
  for no key update
),
clock as materialized (
  ${clockAfter('present')}
),
touched as (
  update ${schema}.sessions s
  set ${TOUCH}
  from present, clock
  where s.id = present.id and present.ended_at is null and present.expires_at > clock.t
    and present.user_name = ${user}
  returning s.*
)`
}

/** $1 lock id, $2 namespace, $3 holder. The lock, or no row. */
export function touchLockSql(schema: string): string {
  const which = `(select session_id from ${schema}.locks where id = $1::bigint and namespace = $2)`
  return `${touching(schema, which, '$3')}
select l.id, l.namespace, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, s.client,
  l.reference, l.metadata, l.lock_time, s.last_touch, nullif(s.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(s.expires_at, 'infinity') - s.last_touch)::float8 as expires_in
from touched s
join ${schema}.locks l on l.session_id = s.id
where l.id = $1::bigint`
}

/**
 * $1 session id, $2 user. One row where the session exists; its columns are null but for `user_name` where it
 * could not be touched.
 */
export function touchSessionSql(schema: string): string {
  return `${touching(schema, '$1::uuid', '$2')}
select present.user_name, t.id is not null as touched, t.client, extract(epoch from t.ttl)::float8 as ttl,
  t.started, t.last_touch, nullif(t.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(t.expires_at, 'infinity') - t.last_touch)::float8 as expires_in,
  t.ends_with_last_lock
from present
left join touched t on true`
}

/**
 * Touches the live sessions of users that hold any of the resources: what makes re-entry by user or client a write.
 * $1-$4 users, namespaces, types, ids, $5 clients, $6 whether the client has to be the session's too. The ids of
 * the sessions.
 */
export function touchHoldersSql(schema: string): string {
  return `with present as materialized (
  select s.id, s.ttl, s.expires_at, s.ended_at
  from ${schema}.sessions s
  where s.id in (
    select l.session_id
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[])
      as w(holder, namespace, resource_type, resource_id, client, by_client)
    join ${schema}.locks l using (namespace, resource_type, resource_id, holder)
    join ${schema}.sessions o on o.id = l.session_id
    where not w.by_client or o.client is not distinct from w.client
  )
  order by s.id
  for no key update
),
clock as materialized (
  ${clockAfter('present')}
)
update ${schema}.sessions s
set ${TOUCH}
from present, clock
where s.id = present.id and present.ended_at is null and present.expires_at > clock.t
returning s.id`
}
