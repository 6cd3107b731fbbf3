import type { JsonObject } from '../../locks/lock.ts'
import type { LockRow } from '../lock-row.ts'
import { sessionById } from './by-index.ts'
import { fencingToken } from './fencing-token.ts'
import { isLockable } from './is-lockable.ts'

/** What the statement says of one resource that it did not grant. No row at all: contended. */
interface RefusedRow extends LockRow {
  readonly state: 'conflict' | 'expired' | 'resource_not_found'
}

/** What the database alone knows of a new grant; everything else is null here, and in the request. */
export interface GrantedRow {
  readonly state: 'granted'
  readonly id: string
  readonly fencing_token: string
  readonly lock_time: Date
  /** As the database has it. Null: empty. */
  readonly metadata: JsonObject | null
}

export type AcquireOneRow = GrantedRow | RefusedRow

/**
 * One resource under a session of its own: the commonest acquire, in one round trip and one commit.
 *
 * 1. `claim` first: inserts of one key never wait for each other, so the token that the insert draws is greater
 *    than every one granted before. A failed claim yields no row.
 * 2. `held` is looked at before inserting, so that a conflict is answered at once even while somebody deletes
 *    the row; `on conflict do nothing` covers a row that this snapshot does not show.
 * 3. The session is written after the lock and only if there is one: a refused acquire leaves nothing behind.
 *    The foreign key is checked at the end of the statement.
 *
 * A granted row does not repeat what the request says: see verdictOfLone().
 *
 * $1 namespace, $2 type, $3 id, $4 session id (new), $5 holder, $6 client, $7 ttl in seconds or null, $8 reference,
 * $9 metadata.
 */
export function acquireOneSql(schema: string): string {
  return `with known as materialized (
  select ${isLockable(schema, '$1', '$2', '$3')} as yes
),
claim as materialized (
  select ${schema}.claim_resource($1, $2, $3) as got from known where yes
),
held as materialized (
  select l.*, s.client, s.last_touch, nullif(s.expires_at, 'infinity') as expires_at,
    extract(epoch from nullif(s.expires_at, 'infinity') - now())::float8 as expires_in,
    s.ended_at is null and s.expires_at > now() as live
  from ${schema}.locks l
  cross join ${sessionById(schema, 'l.session_id')} s
  where l.namespace = $1 and l.resource_type = $2 and l.resource_id = $3
),
granted as (
  insert into ${schema}.locks
    (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time, reference, metadata)
  select $1, $2, $3, $4::uuid, ${fencingToken(schema)}, $5, clock_timestamp(), $8, $9::jsonb
  from claim
  where got and not exists (select from held)
  on conflict (namespace, resource_type, resource_id) do nothing
  returning *
),
session as (
  insert into ${schema}.sessions
    (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
  select session_id, holder, $6, make_interval(secs => $7::float8), false, true, lock_time, lock_time,
    coalesce(lock_time + make_interval(secs => $7::float8), 'infinity')
  from granted
)
select 'granted' as state, l.id, null as namespace, null as resource_type, null as resource_id, null::uuid as session_id,
  l.fencing_token, null as holder, null as client, null as reference, nullif(l.metadata, '{}') as metadata, l.lock_time,
  null::timestamptz as last_touch, null::timestamptz as expires_at, null::float8 as expires_in
from granted l
union all
select 'resource_not_found', null, $1, $2, $3, null, null, null, null, null, null, null, null, null, null
from known where not yes
union all
select case when live then 'conflict' else 'expired' end, id, namespace, resource_type, resource_id, session_id,
  fencing_token, holder, client, reference, metadata, lock_time, last_touch, expires_at, expires_in
from held, known
where yes`
}
