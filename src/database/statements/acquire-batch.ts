import type { LockRow } from '../lock-row.ts'
import { lockedSessions, lockOfResource, sessionById } from './by-index.ts'
import type { CatalogueGuard } from './catalogue-guard.ts'
import { fencingToken } from './fencing-token.ts'
import { isLockable } from './is-lockable.ts'
import { clockAfter, TOUCH } from './lease.ts'

/**
 * What the statement says of one wanted resource. The columns of LockRow are null where nobody's lock is
 * concerned.
 *
 * `refused`: free itself, but not taken, since its set was not, or since the claim failed. `contended`: the
 * snapshot is out of date, since the insert met a row that it does not show, or the own session has gone meanwhile; or
 * so was the look for sessions to re-enter by.
 */
export interface AcquireBatchRow extends LockRow {
  readonly request: number
  readonly state:
    | 'granted'
    | 'existing'
    | 'conflict'
    | 'expired'
    | 'refused'
    | 'contended'
    | 'resource_not_found'
    | 'session_expired'
    | 'session_not_found'
    | 'session_forbidden'
}

/**
 * Many requests, each a set that is taken whole or not at all, in one statement and one commit. No resource and
 * no session may come twice.
 *
 * 1. `present` locks the rows of the sessions that exist, in the order of their ids. These are the only waits,
 *    so batches cannot deadlock; locks are claimed and never waited for.
 * 2. `clock` is read after that wait: a session that ran out meanwhile is judged as it is now.
 * 3. `touched` is the sign of life that an acquire is. It also makes a repeated acquire a write, so that its
 *    answer too waits for the standby.
 *    A client that names a session which the service named has it for a name of its own from now on.
 * 4. A set goes on (`free`) only if each resource is claimed or held already by the session, and none is held by
 *    somebody else. The claim must come true or null must not: an unknown would let an unclaimed insert through.
 * 5. A lock of the own session counts as held only if that session was touched here. It may have gone, and its
 *    locks with it, while this statement waited for its row; the snapshot still shows them.
 *    Nor does one that re-entry covers, if its session was not touched before: it was granted after that look, to the
 *    same request sent twice, mostly. The next try touches it. It is no conflict: nobody else has it.
 * 6. Sessions are written after the grants, and only for grants.
 * 7. Whoever is granted the rest of a set keeps what it had of it until the commit (`kept`): that may have been released
 *    or taken over during the wait, and the snapshot still shows it. It does not wait for such a row, so whoever
 *    deletes it by hand cannot deadlock with this.
 * 8. `partial` finds a set of which some inserts met rows that the snapshot did not show, or of which a lock has gone
 *    meanwhile, and a session that somebody else made: the error undoes the whole statement, and it is sent again.
 *
 * $1-$6 sessions: ids, users, clients, ttls in seconds, kinds (new, make, have), ends with last lock.
 * $7-$9 requests: re-entry (session, user, client), reference, metadata.
 * $10-$14 resources: number of the request (from 1), session id, namespace, type, id.
 * $15 sessions of the same users, or users and clients, that hold some of the resources and have just been touched.
 * With a guard, its parameters come after these; without one, the statement looks at no version.
 */
export function acquireBatchSql(schema: string, guard?: CatalogueGuard): string {
  return `with ${guard?.cte ?? ''}wanted_session as materialized (
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::boolean[])
    as w(id, user_name, client, ttl, kind, ends_with_last_lock)
  where ${guard?.gate ?? 'true'}
),
request as materialized (
  select * from unnest($7::text[], $8::text[], $9::text[])
    with ordinality as r(reentry, reference, metadata, number)
),
wanted as materialized (
  select w.*, ordinality as position
  from unnest($10::int[], $11::uuid[], $12::text[], $13::text[], $14::text[])
    with ordinality as w(request, session_id, namespace, resource_type, resource_id)
),
present as materialized (
  ${lockedSessions(schema, "select id from wanted_session where kind <> 'new'", 'no key update')}
),
clock as materialized (
  ${clockAfter('present')}
),
touched as (
  update ${schema}.sessions s
  set ${TOUCH},
    named = s.named or s.id = any(array(select id from wanted_session where kind = 'make'))
  from clock
  where s.id = any(array(
    select present.id
    from present join wanted_session w using (id), clock
    where present.user_name = w.user_name and present.ended_at is null and present.expires_at > clock.t
  ))
  returning s.id, s.expires_at
),
usable as materialized (
  select id, expires_at from touched
  union all
  select w.id, coalesce(clock.t + make_interval(secs => w.ttl), 'infinity')
  from wanted_session w, clock
  where w.kind <> 'have' and not exists (select from present where present.id = w.id)
),
claimed as materialized (
  select w.*, ${schema}.claim_resource(w.namespace, w.resource_type, w.resource_id) as got,
    ${isLockable(schema, 'w.namespace', 'w.resource_type', 'w.resource_id')} as known
  from wanted w
  where w.session_id in (select id from usable)
),
seen as materialized (
  select c.position, l.id, l.session_id, l.fencing_token, l.holder, l.reference, l.metadata, l.lock_time,
    s.client, s.last_touch, s.expires_at,
    l.session_id = c.session_id as own_session,
    (l.session_id = c.session_id and c.session_id in (select id from touched))
      or (reentry.covers and lease.live and l.session_id = any($15::uuid[])) as own,
    reentry.covers, lease.live
  from claimed c
  join request r on r.number = c.request
  join wanted_session w on w.id = c.session_id
  cross join ${lockOfResource(schema, 'c.namespace', 'c.resource_type', 'c.resource_id')} l
  cross join ${sessionById(schema, 'l.session_id')} s
  cross join lateral (
    select r.reentry <> 'session' and l.holder = w.user_name
      and (r.reentry = 'user' or s.client is not distinct from w.client) as covers
  ) reentry
  cross join lateral (select s.ended_at is null and s.expires_at > now() as live) lease
),
free as materialized (
  select c.request, count(*) - count(seen.id) as missing
  from claimed c
  left join seen using (position)
  group by c.request
  having bool_and((c.known and c.got) or coalesce(seen.own, false)) and bool_and(seen.id is null or seen.own)
),
granted as (
  insert into ${schema}.locks
    (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time, reference, metadata)
  select c.namespace, c.resource_type, c.resource_id, c.session_id, ${fencingToken(schema)}, w.user_name,
    clock.t, r.reference, r.metadata::jsonb
  from claimed c
  join free using (request)
  join request r on r.number = c.request
  join wanted_session w on w.id = c.session_id, clock
  where not exists (select from seen where seen.position = c.position)
  order by c.position
  on conflict (namespace, resource_type, resource_id) do nothing
  returning *
),
made as (
  insert into ${schema}.sessions
    (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
  select w.id, w.user_name, w.client, make_interval(secs => w.ttl), w.kind = 'make',
    w.kind = 'new' or w.ends_with_last_lock, clock.t, clock.t, usable.expires_at
  from wanted_session w join usable using (id), clock
  where not exists (select from present where present.id = w.id)
    and exists (select from granted where granted.session_id = w.id)
  order by w.id
  on conflict (id) do nothing
  returning id
),
result as materialized (
  select c.position, c.request as request, g.*
  from granted g
  join claimed c using (namespace, resource_type, resource_id)
),
held_already as materialized (
  select f.request, seen.id
  from free f
  join claimed c using (request)
  join seen using (position)
  where f.missing > 0
),
kept as materialized (
  select l.id
  from ${schema}.locks l
  where l.id = any(array(select id from held_already))
  for key share skip locked
),
partial as materialized (
  select f.request from free f
  where f.missing > 0
    and (select count(*) from result where result.request = f.request) not in (0, f.missing)
  union all
  select request from held_already
  where id not in (select id from kept)
  union all
  select 0 from granted
  where not exists (select from present where present.id = granted.session_id)
    and not exists (select from made where made.id = granted.session_id)${
      guard === undefined
        ? ''
        : `
  union all
  select 0 where ${guard.changed}`
    }
)
select w.request,
  case
    when exists (select from partial) then ${schema}.refuse_partial_set()
    when g.id is not null then 'granted'
    when u.id is null then
      case
        when p.id is null then 'session_not_found'
        when p.user_name <> ws.user_name then 'session_forbidden'
        else 'session_expired'
      end
    when seen.own then 'existing'
    when not c.known then 'resource_not_found'
    when seen.own_session or (seen.covers and seen.live) then 'contended'
    when seen.live then 'conflict'
    when seen.id is not null then 'expired'
    when free.request is null then 'refused'
    else 'contended'
  end as state,
  coalesce(g.id, seen.id) as id,
  w.namespace, w.resource_type, w.resource_id,
  coalesce(g.session_id, seen.session_id) as session_id,
  coalesce(g.fencing_token, seen.fencing_token) as fencing_token,
  coalesce(g.holder, seen.holder) as holder,
  case when g.id is null then seen.client when p.id is null then ws.client else p.client end as client,
  case when g.id is null then seen.reference else g.reference end as reference,
  coalesce(g.metadata, seen.metadata) as metadata,
  coalesce(g.lock_time, seen.lock_time) as lock_time,
  case when g.id is not null or seen.own_session then clock.t else seen.last_touch end as last_touch,
  nullif(e.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(e.expires_at, 'infinity') - clock.t)::float8 as expires_in
from wanted w
join wanted_session ws on ws.id = w.session_id
left join claimed c on c.position = w.position
left join usable u on u.id = w.session_id
left join present p on p.id = w.session_id
left join seen on seen.position = w.position
left join free on free.request = w.request
left join result g on g.position = w.position
cross join clock
cross join lateral (
  select case when g.id is not null or seen.own_session then u.expires_at else seen.expires_at end as expires_at
) e
order by w.position`
}
