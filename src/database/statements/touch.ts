import {
  type LockStrength,
  lockById,
  lockedSessions,
  lockOfResource,
  type Patience,
  sessionById,
} from './by-index.ts'
import { clockAfter, TOUCH } from './lease.ts'

/**
 * The sign of life, in the one shape that cannot revive a dead session: lock the session's row, read the clock
 * after that wait, then judge and write.
 *
 * `which` selects the session's id and `user` is compared with its user.
 */
function touching(schema: string, which: string, user: string, { waits }: Patience): string {
  return `with present as materialized (
  select s.id, s.user_name, s.expires_at, s.ended_at
  from ${schema}.sessions s
  where s.id = ${which}
  for no key update${waits ? '' : ' skip locked'}
),
clock as materialized (
  ${clockAfter('present')}
),
touched as (
  update ${schema}.sessions s
  set ${TOUCH}
  from clock
  where s.id = (
    select present.id
    from present, clock
    where present.user_name = ${user} and present.ended_at is null and present.expires_at > clock.t
  )
  returning s.*
)`
}

/** $1 lock id, $2 namespace, $3 holder. The lock, or no row; a touch that does not wait has none either where another has the session. */
export function touchLockSql(schema: string, patience: Patience): string {
  const which = `(select l.session_id from ${lockById(schema, '$1::bigint')} l where l.namespace = $2)`
  return `${touching(schema, which, '$3', patience)}
select l.id, l.namespace, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, s.client,
  l.reference, l.metadata, l.lock_time, s.last_touch, nullif(s.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(s.expires_at, 'infinity') - s.last_touch)::float8 as expires_in
from touched s
cross join ${lockById(schema, '$1::bigint')} l
where l.session_id = s.id`
}

/**
 * $1 session id, $2 user. One row where the session exists; its columns are null but for `id` and `user_name` where it
 * could not be touched. A touch that does not wait has no row either where another has the session.
 */
export function touchSessionSql(schema: string, patience: Patience): string {
  return `${touching(schema, '$1::uuid', '$2', patience)}
select present.id, present.user_name, t.id is not null as touched, t.client, extract(epoch from t.ttl)::float8 as ttl,
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
  ${lockedSessions(
    schema,
    `
    select l.session_id
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[])
      as w(holder, namespace, resource_type, resource_id, client, by_client)
    cross join ${lockOfResource(schema, 'w.namespace', 'w.resource_type', 'w.resource_id')} l
    cross join ${sessionById(schema, 'l.session_id')} s
    where l.holder = w.holder and (not w.by_client or s.client is not distinct from w.client)
  `,
    'no key update',
  )}
),
clock as materialized (
  ${clockAfter('present')}
)
update ${schema}.sessions s
set ${TOUCH}
from clock
where s.id = any(array(
  select present.id from present, clock where present.ended_at is null and present.expires_at > clock.t
))
returning s.id`
}

/** Of a touch of many: their rows are locked in the order of their ids. `which` selects the sessions' ids. */
function touchingMany(schema: string, which: string, { waits }: Patience): string {
  const strength: LockStrength = waits ? 'no key update' : 'no key update skip locked'
  return `present as materialized (
  ${lockedSessions(schema, which, strength)}
),
clock as materialized (
  ${clockAfter('present')}
)`
}

/**
 * Touches the sessions of many locks. $1 lock ids, $2 namespaces, $3 holders. A row for each that is held, and one with
 * a null `last_touch` for each whose session could not be locked: another has it, or it is gone.
 */
export function touchLocksSql(schema: string, patience: Patience): string {
  return `with target as materialized (
  select l.*
  from unnest($1::bigint[], $2::text[], $3::text[]) as w(id, namespace, holder)
  cross join ${lockById(schema, 'w.id')} l
  where l.namespace = w.namespace and l.holder = w.holder
),
${touchingMany(schema, 'select session_id from target', patience)},
touched as (
  update ${schema}.sessions s
  set ${TOUCH}
  from clock
  where s.id = any(array(
    select present.id from present, clock where present.ended_at is null and present.expires_at > clock.t
  ))
  returning s.id, s.client, s.last_touch, s.expires_at
)
select l.id, l.namespace, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, s.client,
  l.reference, l.metadata, l.lock_time, s.last_touch, nullif(s.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(s.expires_at, 'infinity') - s.last_touch)::float8 as expires_in
from touched s
join target l on l.session_id = s.id
union all
select l.id, l.namespace, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, null, l.reference,
  l.metadata, l.lock_time, null, null, null
from target l
where l.session_id not in (select id from present)`
}

/**
 * Touches many sessions. $1 session ids, none twice, $2 users. A row for each that exists, as with one; its columns
 * are null but for `id` and `user_name` where it could not be touched. `user_name` is null too where the session could not be
 * locked: another has it, or it is gone.
 */
export function touchSessionsSql(schema: string, patience: Patience): string {
  return `with wanted as materialized (
  select * from unnest($1::uuid[], $2::text[]) as w(id, user_name)
),
${touchingMany(schema, 'select id from wanted', patience)},
touched as (
  update ${schema}.sessions s
  set ${TOUCH}
  from clock
  where s.id = any(array(
    select present.id
    from present join wanted w using (id), clock
    where present.user_name = w.user_name and present.ended_at is null and present.expires_at > clock.t
  ))
  returning s.*
)
select present.id, present.user_name, t.id is not null as touched, t.client, extract(epoch from t.ttl)::float8 as ttl,
  t.started, t.last_touch, nullif(t.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(t.expires_at, 'infinity') - t.last_touch)::float8 as expires_in,
  t.ends_with_last_lock
from present
left join touched t on t.id = present.id
union all
select s.id, null, false, null, null, null, null, null, null, null
from wanted w
cross join ${sessionById(schema, 'w.id')} s
where w.id not in (select id from present)`
}
