import type { LockRow } from '../lock-row.ts'
import { lockedSessions, sessionById } from './by-index.ts'
import { endNote } from './end-note.ts'
import { fencingToken } from './fencing-token.ts'
import { isLockable } from './is-lockable.ts'
import { clockAfter, TOUCH } from './lease.ts'

/** What the statement says of the resource. No row at all: contended. */
export interface AcquireSoleRow extends LockRow {
  readonly state: 'granted' | 'existing' | 'conflict' | 'expired' | 'resource_not_found'
}

/**
 * A lock of which its holder has one a type: what the holder has of the type is given up in the statement that
 * grants the new one, and stays where nothing is granted.
 *
 * 1. As in acquire-one.ts, the claim comes first and what is held is looked at before inserting.
 * 2. `present` locks the sessions of the holder's own locks, in the order of their ids and `for update`, since those
 *    that are given up end. Claims are only tried, so who waits here cannot be part of a deadlock.
 * 3. The lock itself may be the holder's already: its session is touched, and nothing is given up.
 * 4. Two such acquires of one holder at once may both not see the other's lock. The unique index on sole locks lets
 *    only one of them in; the other inserts nothing, and looks again with a new snapshot. Where it had already given
 *    something up, the error undoes that.
 *
 * $1 namespace, $2 type, $3 id, $4 session id (new), $5 holder, $6 client, $7 ttl in seconds or null, $8 reference,
 * $9 metadata.
 */
export function acquireSoleSql(schema: string): string {
  return `with known as materialized (
  select ${isLockable(schema, '$1', '$2', '$3')} as yes
),
claim as materialized (
  select ${schema}.claim_resource($1, $2, $3) as got from known where yes
),
held as materialized (
  select l.*, s.client, s.last_touch, s.expires_at, s.ended_at is null and s.expires_at > now() as live
  from ${schema}.locks l
  cross join ${sessionById(schema, 'l.session_id')} s
  where l.namespace = $1 and l.resource_type = $2 and l.resource_id = $3
),
earlier as materialized (
  select l.id, l.session_id
  from ${schema}.locks l
  where l.namespace = $1 and l.resource_type = $2 and l.holder = $5 and l.sole and l.resource_id <> $3
),
present as materialized (
  ${lockedSessions(
    schema,
    'select session_id from earlier union all select session_id from held where holder = $5',
    'update',
  )}
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
    from present join held on held.session_id = present.id, clock
    where held.holder = $5 and present.ended_at is null and present.expires_at > clock.t
  )
  returning s.id, s.last_touch, s.expires_at
),
noted as materialized (
  ${endNote('released')}
),
removed as (
  delete from ${schema}.locks l
  where l.id = any(array(
    select earlier.id
    from earlier join present on present.id = earlier.session_id, claim, noted
    where claim.got and not exists (select from held)
  ))
  returning l.id
),
granted as (
  insert into ${schema}.locks
    (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time, reference, metadata, sole)
  select $1, $2, $3, $4::uuid, ${fencingToken(schema)}, $5, clock.t, $8, $9::jsonb, true
  from claim
  cross join clock
  cross join (select count(*) from removed) after_the_removal
  where got and not exists (select from held)
  on conflict do nothing
  returning *
),
session as (
  insert into ${schema}.sessions
    (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
  select session_id, holder, $6, make_interval(secs => $7::float8), false, true, lock_time, lock_time,
    coalesce(lock_time + make_interval(secs => $7::float8), 'infinity')
  from granted
  returning client, last_touch, expires_at
),
undone as materialized (
  select ${schema}.refuse_partial_set() as error
  where exists (select from removed) and not exists (select from granted)
)
select 'granted' as state, l.id, l.namespace, l.resource_type, l.resource_id, l.session_id, l.fencing_token,
  l.holder, s.client, l.reference, l.metadata, l.lock_time, s.last_touch,
  nullif(s.expires_at, 'infinity') as expires_at, $7::float8 as expires_in
from granted l, session s
union all
select 'existing', h.id, h.namespace, h.resource_type, h.resource_id, h.session_id, h.fencing_token, h.holder,
  h.client, h.reference, h.metadata, h.lock_time, t.last_touch, nullif(t.expires_at, 'infinity'),
  extract(epoch from nullif(t.expires_at, 'infinity') - t.last_touch)::float8
from held h
join touched t on t.id = h.session_id
union all
select 'resource_not_found', null, $1, $2, $3, null, null, null, null, null, null, null, null, null, null
from known
where not yes and not exists (select from touched)
union all
select case when live then 'conflict' else 'expired' end, id, namespace, resource_type, resource_id, session_id,
  fencing_token, holder, client, reference, metadata, lock_time, last_touch, nullif(expires_at, 'infinity'),
  extract(epoch from nullif(expires_at, 'infinity') - now())::float8
from held, known
where yes and (holder <> $5 or not live)
union all
select error, null, null, null, null, null, null, null, null, null, null, null, null, null, null from undone`
}
