import type { LockRow } from '../lock-row.ts'
import { lockedSessions, lockOfResource, sessionById } from './by-index.ts'
import type { CatalogueGuard } from './catalogue-guard.ts'
import { signedEndNote } from './end-note.ts'
import { fencingToken } from './fencing-token.ts'
import { isLockable } from './is-lockable.ts'
import { clockAfter, TOUCH } from './lease.ts'

export interface TakeOverRow extends LockRow {
  readonly state:
    | 'granted'
    | 'existing'
    | 'conflict'
    | 'expired'
    | 'contended'
    | 'resource_not_found'
    | 'session_expired'
    | 'session_not_found'
    | 'session_forbidden'
  /** Who held the resource until now; null where nobody did. */
  readonly taken_from: string | null
}

/**
 * An acquire of one set that takes over: whatever others hold, where an administrator asks; or what other sessions
 * of the same user hold, and then a lock of somebody else is in the way as in any acquire. It changes hands in one
 * statement. The old lock's
 * row goes and a new one comes, with a new id and a new token, so that nobody can mistake one for the other.
 *
 * The claims are taken before the sessions' rows are waited for; since claims are only ever tried, whoever
 * holds some while it waits can make others repeat but never deadlock. While they are held nobody else can
 * insert, so what is deleted here cannot come back before the insert. Rows of sessions are locked in the order
 * of their ids, the own one among them, and `for update`, as for an end: the old session may end with its lock.
 * Where the own session went away during that wait, so did the locks that the snapshot still shows: contended. What
 * the session lost during it, and still had in the snapshot, undoes a set of which more was granted (`kept`).
 *
 * $1 session id, $2 user, $3 client, $4 ttl in seconds, $5 kind (new, make, have), $6 ends with last lock,
 * $7 reference, $8 metadata, $9-$11 namespaces, types, ids, $12 whether only from the same user, $13 an administrator's
 * reason. With a guard, its parameters come after these.
 */
export function takeOverSql(schema: string, guard?: CatalogueGuard): string {
  return `with ${guard?.cte ?? ''}claimed as materialized (
  select w.*, ordinality as position, ${schema}.claim_resource(w.namespace, w.resource_type, w.resource_id) as got,
    ${isLockable(schema, 'w.namespace', 'w.resource_type', 'w.resource_id')} as known
  from unnest($9::text[], $10::text[], $11::text[])
    with ordinality as w(namespace, resource_type, resource_id)
  where ${guard?.gate ?? 'true'}
),
old as materialized (
  select c.position, l.*, l.session_id = $1::uuid as own, $12::boolean and l.holder <> $2 as foreign_holder,
    s.client, s.last_touch, s.expires_at, s.ended_at is null and s.expires_at > now() as live
  from claimed c
  cross join ${lockOfResource(schema, 'c.namespace', 'c.resource_type', 'c.resource_id')} l
  cross join ${sessionById(schema, 'l.session_id')} s
),
present as materialized (
  ${lockedSessions(
    schema,
    'select $1::uuid union all select session_id from old where not foreign_holder',
    'update',
  )}
),
clock as materialized (
  ${clockAfter('present')}
),
touched as (
  update ${schema}.sessions s
  set ${TOUCH},
    named = s.named or $5 = 'make'
  from clock
  where s.id = (
    select present.id
    from present, clock
    where present.id = $1::uuid and $5 <> 'new' and present.user_name = $2 and present.ended_at is null
      and present.expires_at > clock.t
  )
  returning s.id, s.client, s.expires_at
),
usable as materialized (
  select id, client, expires_at from touched
  union all
  select $1::uuid, $3, coalesce(clock.t + make_interval(secs => $4::float8), 'infinity')
  from clock
  where $5 <> 'have' and not exists (select from present where id = $1::uuid)
),
ready as materialized (
  select from usable
  where not exists (
    select from claimed c
    where not c.got
      or not (c.known or exists (select from old where old.position = c.position and old.own))
  )
    and (exists (select from touched) or not exists (select from old where own))
    and not exists (select from old where foreign_holder)
),
noted as materialized (
  ${signedEndNote("'taken_over'", '$2::text', '$13::text')}
),
removed as (
  delete from ${schema}.locks l
  where l.id = any(array(
    select old.id
    from old join present on present.id = old.session_id, noted
    where not old.own and exists (select from ready)
  ))
  returning l.id, l.holder
),
granted as (
  insert into ${schema}.locks
    (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time, reference, metadata)
  select c.namespace, c.resource_type, c.resource_id, $1::uuid, ${fencingToken(schema)}, $2, clock.t, $7,
    $8::jsonb
  from claimed c
  cross join clock
  cross join (select count(*) from removed) after_the_removal
  where exists (select from ready)
    and not exists (select from old where old.position = c.position and old.own)
  order by c.position
  on conflict (namespace, resource_type, resource_id) do nothing
  returning *
),
made as (
  insert into ${schema}.sessions
    (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
  select u.id, $2, $3, make_interval(secs => $4::float8), $5 = 'make', $5 = 'new' or $6::boolean, clock.t, clock.t,
    u.expires_at
  from usable u, clock
  where not exists (select from present where present.id = u.id) and exists (select from granted)
  on conflict (id) do nothing
  returning id
),
result as materialized (
  select c.position, g.*
  from granted g
  join claimed c using (namespace, resource_type, resource_id)
),
kept as materialized (
  select l.id
  from ${schema}.locks l
  where l.id = any(array(select id from old where own)) and exists (select from granted)
  for key share skip locked
),
partial as materialized (
  select from granted
  where exists (select from old where own and id not in (select id from kept))
  union all
  select from ready
  where (select count(*) from granted)
      <> (select count(*) from claimed c where not exists (select from old where old.position = c.position and own))
  union all
  select from granted
  where not exists (select from present where present.id = $1::uuid) and not exists (select from made)${
    guard === undefined
      ? ''
      : `
  union all
  select where ${guard.changed}`
  }
)
select
  case
    when exists (select from partial) then ${schema}.refuse_partial_set()
    when g.id is not null then 'granted'
    when old.foreign_holder then case when old.live then 'conflict' else 'expired' end
    when u.id is null then
      case
        when p.id is null then 'session_not_found'
        when p.user_name <> $2 then 'session_forbidden'
        else 'session_expired'
      end
    when old.own and exists (select from ready) then 'existing'
    when not c.known and not coalesce(old.own, false) then 'resource_not_found'
    else 'contended'
  end as state,
  coalesce(g.id, old.id) as id,
  c.namespace, c.resource_type, c.resource_id,
  case when old.foreign_holder then old.session_id else $1::uuid end as session_id,
  coalesce(g.fencing_token, old.fencing_token) as fencing_token,
  case when old.foreign_holder then old.holder else $2 end as holder,
  case when old.foreign_holder then old.client else u.client end as client,
  case when g.id is null then old.reference else g.reference end as reference,
  coalesce(g.metadata, old.metadata) as metadata,
  coalesce(g.lock_time, old.lock_time) as lock_time,
  case when old.foreign_holder then old.last_touch else clock.t end as last_touch,
  nullif(e.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(e.expires_at, 'infinity') - clock.t)::float8 as expires_in,
  removed.holder as taken_from
from claimed c
cross join clock
left join usable u on true
left join present p on p.id = $1::uuid
left join old on old.position = c.position
left join result g on g.position = c.position
left join removed on removed.id = old.id
cross join lateral (
  select case when old.foreign_holder then old.expires_at else u.expires_at end as expires_at
) e
order by c.position`
}
