import type { LockRow } from '../lock-row.ts'
import { PLANNED_ANEW } from '../pool.ts'
import { signedEndNote } from './end-note.ts'
import { fencingToken } from './fencing-token.ts'
import { clockAfter, TOUCH } from './lease.ts'

/**
 * What the statement says: the same `state` and counts in each row, and what is listed for that state. Granted:
 * the locks of the named resources. Conflict: the first of them. Resource_not_found: `item` missing, with type and
 * id alone. Every other state comes in one row without an item.
 */
export interface AcquireTreeRow extends Omit<LockRow, 'id'> {
  readonly state:
    | 'granted'
    | 'conflict'
    | 'expired'
    | 'contended'
    | 'resource_not_found'
    | 'selection_has_no_children'
    | 'too_many_resources'
    | 'session_expired'
    | 'session_not_found'
    | 'session_forbidden'
  readonly count: number
  readonly existing_count: number
  readonly conflict_count: number
  /** Sessions that have expired and stand in the way. */
  readonly expired: readonly string[] | null
  /** Whose locks were taken over. */
  readonly taken_from: readonly string[] | null
  readonly item: 'granted' | 'existing' | 'conflict' | 'missing' | 'selection' | null
  readonly id: string | null
}

/**
 * A set that is too large for a claim on each resource: what some resources stand for by the catalogue, taken whole
 * or not at all.
 *
 * 1. `claim` waits until nobody in the namespace is being granted anything, and keeps it so. It holds nothing while
 *    it waits, so it cannot deadlock. Everything else here depends on it.
 * 2. `catalogue` locks the namespace's row against writers of the catalogue. It does not wait for one, since the
 *    whole namespace would wait with it: contended. `expanded` takes its namespace from that row and so is evaluated
 *    after it; its function is volatile and has a snapshot from then. What was added or moved before the row was
 *    locked is in it, and nothing can be added until the commit.
 * 3. The other CTEs see the locks as they were when the statement began, which may be before the claim was had. A
 *    lock that was granted in between makes `on conflict` skip its row: `partial` finds that the count is wrong, and
 *    the error undoes the whole. One that was released in between is a conflict that was true when it was asked. A lock of
 *    the set that was held already, and is not any more, undoes the whole too, where more was granted (`kept`).
 * 4. Tokens are drawn by the insert, under the claim and in the order of keys: greater than every one of the
 *    namespace that was granted before.
 * 5. Rows of sessions are locked in the order of their ids, then the clock is read, then it is judged: as in every
 *    statement here. Sessions are touched when the inserts are done, by a clock read then, since those take seconds:
 *    a lease must not have run out when it is answered.
 * 6. Joins start from `expanded`, whose size the planner takes for large: one that it took for small would be made
 *    by going through a hundred thousand rows as many times.
 *
 * $1 session id, $2 user, $3 client, $4 ttl in seconds, $5 kind (new, make, have), $6 ends with last lock,
 * $7 reference, $8 metadata, $9 namespace, $10 types, $11 ids, $12 expand, $13 most resources,
 * $14 most that are listed, $15 re-entry, or of a takeover the reason.
 */
export function acquireTreeSql(schema: string, takeover: boolean): string {
  return `${PLANNED_ANEW}with claim as materialized (
  select ${schema}.claim_namespace($9) as got
),
catalogue as materialized (
  select n.name, n.is_closed
  from ${schema}.namespaces n
  where n.name = $9 and (select got from claim)
  for share skip locked
),
expanded as materialized (
  select e.*, c.is_closed
  from catalogue c
  cross join lateral ${schema}.expand_resources(c.name, $10::text[], $11::text[], $12, $13::int) e
),
wanted as materialized (
  select e.*, l.id as lock_id, l.session_id, l.holder
  from expanded e
  left join ${schema}.locks l
    on l.namespace = $9 and l.resource_type = e.resource_type and l.resource_id = e.resource_id
),
present as materialized (
  select s.id, s.user_name, s.client, s.ttl, s.expires_at, s.ended_at
  from ${schema}.sessions s
  where s.id in (
    select $1::uuid
    union
    select w.session_id from wanted w where ${takeover ? 'w.session_id is not null' : "$15 <> 'session' and w.holder = $2"}
  )
    and exists (select from catalogue)
  order by s.id
  for ${takeover ? 'update' : 'no key update'}
),
clock as materialized (
  ${clockAfter('present')}
),
alive as materialized (
  select p.*
  from present p, clock
  where p.ended_at is null and p.expires_at > clock.t and p.user_name = $2
    and ((p.id = $1::uuid and $5 <> 'new')${takeover ? '' : " or (p.id <> $1::uuid and ($15 = 'user' or p.client is not distinct from $3))"})
),
usable as materialized (
  select id, client from alive where id = $1::uuid
  union all
  select $1::uuid, $3
  where $5 <> 'have' and exists (select from catalogue) and not exists (select from present where id = $1::uuid)
),
judged as materialized (
  select w.*,
    a.id is not null as own,
    w.session_id = $1::uuid and a.id is null as own_session_gone,
    s.ended_at is null and s.expires_at > now() as live,
    w.kind is null and (w.is_element or (w.is_named and w.is_closed and a.id is null)) as missing
  from wanted w
  left join ${schema}.sessions s on s.id = w.session_id
  left join alive a on a.id = w.session_id
),
total as materialized (
  select count(*) as resources,
    count(*) filter (where own) as existing,
    count(*) filter (where lock_id is not null and not own and live) as conflicts,
    array_agg(distinct session_id) filter (where lock_id is not null and not own and not live) as expired,
    count(*) filter (where lock_id is not null and not own) as others,
    coalesce(bool_or(own_session_gone), false) as own_session_gone,
    coalesce(bool_or(missing), false) as missing,
    coalesce(bool_or(is_named and kind = 'selection' and $12 = 'children'), false) as refused
  from judged
),
ready as materialized (
  select total.resources - total.existing as absent, total.existing
  from total, usable
  where total.resources <= $13::int and not total.own_session_gone and not total.missing and not total.refused
    and ${takeover ? 'true' : 'total.others = 0'}
),
${
  takeover
    ? `noted as materialized (
  ${signedEndNote("'taken_over'", '$2::text', '$15::text')}
),
`
    : ''
}removed as (
  ${
    takeover
      ? `delete from ${schema}.locks l
  using judged j, noted
  where l.id = j.lock_id and not j.own and exists (select from ready)
  returning l.holder`
      : 'select null::text as holder where false'
  }
),
granted as (
  insert into ${schema}.locks
    (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time, reference, metadata)
  select $9, j.resource_type, j.resource_id, $1::uuid, ${fencingToken(schema)}, $2, clock.t, $7, $8::jsonb
  from judged j
  cross join clock
  cross join (select count(*) from removed) after_the_removal
  where exists (select from ready) and not j.own
  order by j.resource_type, j.resource_id
  on conflict (namespace, resource_type, resource_id) do nothing
  returning id, resource_type, resource_id, fencing_token
),
late_clock as materialized (
  ${clockAfter('granted')}
),
touched as (
  update ${schema}.sessions s
  set ${TOUCH},
    named = s.named or (s.id = $1::uuid and $5 = 'make')
  from alive present, late_clock clock
  where s.id = present.id
  returning s.id, s.client, s.last_touch, s.expires_at
),
made as (
  insert into ${schema}.sessions
    (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
  select u.id, $2, $3, make_interval(secs => $4::float8), $5 = 'make', $5 = 'new' or $6::boolean, clock.t,
    touch.t, coalesce(touch.t + make_interval(secs => $4::float8), 'infinity')
  from usable u, clock, late_clock,
    -- the server's clock may have been set back meanwhile
    lateral (select greatest(clock.t, late_clock.t) as t) touch
  where not exists (select from present where present.id = u.id) and exists (select from granted)
  on conflict (id) do nothing
  returning id, client, last_touch, expires_at
),
lease as materialized (
  select * from touched union all select * from made
),
kept as materialized (
  select l.id
  from ${schema}.locks l
  where l.id in (select lock_id from judged where own) and (select absent > 0 from ready)
  for key share skip locked
),
partial as materialized (
  select from ready where absent <> (select count(*) from granted)
  union all
  select from ready where absent > 0 and existing <> (select count(*) from kept)
  union all
  select from granted where not exists (select from lease where id = $1::uuid)
),
verdict as materialized (
  select
    case
      when exists (select from partial) then ${schema}.refuse_partial_set()
      when not exists (select from catalogue) then 'contended'
      when total.resources > $13::int then 'too_many_resources'
      when total.refused then 'selection_has_no_children'
      when not exists (select from usable) then
        case
          when p.id is null then 'session_not_found'
          when p.user_name <> $2 then 'session_forbidden'
          else 'session_expired'
        end
      when total.missing then 'resource_not_found'
      when exists (select from ready) then 'granted'
      when total.own_session_gone then 'contended'
      when total.conflicts > 0 then 'conflict'
      else 'expired'
    end as state,
    total.resources::int as count, total.existing::int as existing_count, total.conflicts::int as conflict_count,
    total.expired,
    (select array_agg(distinct holder) from removed) as taken_from
  from total
  left join present p on p.id = $1::uuid
),
listed as materialized (
  select 'granted' as item, g.id, g.resource_type, g.resource_id, $1::uuid as session_id, g.fencing_token,
    $2 as holder, e.client, $7 as reference, $8::jsonb as metadata, clock.t as lock_time, e.last_touch, e.expires_at
  from judged j
  join granted g on g.resource_type = j.resource_type and g.resource_id = j.resource_id
  cross join clock
  join lease e on e.id = $1::uuid
  where j.is_named
  union all
  select 'existing', l.id, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, e.client,
    l.reference, l.metadata, l.lock_time, e.last_touch, e.expires_at
  from judged j
  join lease e on e.id = j.session_id
  join ${schema}.locks l on l.id = j.lock_id
  where j.is_named and j.own and exists (select from ready)
  union all
  (select 'conflict', l.id, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, s.client,
    l.reference, l.metadata, l.lock_time, s.last_touch, s.expires_at
  from (
    select lock_id from judged
    where lock_id is not null and not own and live and (select state = 'conflict' from verdict)
    order by lock_id
    limit $14::int
  ) j
  join ${schema}.locks l on l.id = j.lock_id
  join ${schema}.sessions s on s.id = l.session_id)
  union all
  (select case when state = 'resource_not_found' then 'missing' else 'selection' end, null, resource_type,
    resource_id, null, null, null, null, null, null, null, null, null
  from judged, verdict
  where (state = 'resource_not_found' and missing)
    or (state = 'selection_has_no_children' and is_named and kind = 'selection')
  limit $14::int)
)
select v.*, i.item, i.id, $9 as namespace, i.resource_type, i.resource_id, i.session_id, i.fencing_token, i.holder,
  i.client, i.reference, i.metadata, i.lock_time, i.last_touch,
  nullif(i.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(i.expires_at, 'infinity') - late_clock.t)::float8 as expires_in
from verdict v
cross join late_clock
left join listed i on true`
}
