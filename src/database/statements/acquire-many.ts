import type { AcquireOneRow } from './acquire-one.ts'
import { lockOfResource, sessionById } from './by-index.ts'
import { fencingToken } from './fencing-token.ts'
import { isLockable } from './is-lockable.ts'

/** What the statement says of one of the requests, which is called by its session; none of one: contended. */
export type AcquireManyRow = AcquireOneRow & { readonly request: string }

/**
 * Many requests for one resource each, every one under a session of its own: acquire-one.ts, once for all of them.
 * It waits for nothing: resources are claimed, and the sessions are new. Each request has a verdict of its own.
 *
 * $1 namespaces, $2 types, $3 ids, no resource twice; $4 session ids (new, none twice), $5 holders, $6 clients, $7 ttls in seconds
 * or null, $8 references, $9 metadata.
 */
export function acquireManySql(schema: string): string {
  return `with wanted as materialized (
  select w.*, ${isLockable(schema, 'w.namespace', 'w.resource_type', 'w.resource_id')} as known
  from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::float8[], $8::text[],
    $9::text[]) with ordinality
    as w(namespace, resource_type, resource_id, session_id, holder, client, ttl, reference, metadata, position)
),
claimed as materialized (
  select w.*, ${schema}.claim_resource(w.namespace, w.resource_type, w.resource_id) as got
  from wanted w
  where known
),
held as materialized (
  select c.session_id as request, l.*, s.client, s.last_touch, s.expires_at, s.ended_at is null and s.expires_at > now() as live
  from claimed c
  cross join ${lockOfResource(schema, 'c.namespace', 'c.resource_type', 'c.resource_id')} l
  cross join ${sessionById(schema, 'l.session_id')} s
),
granted as (
  insert into ${schema}.locks
    (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time, reference, metadata)
  select c.namespace, c.resource_type, c.resource_id, c.session_id, ${fencingToken(schema)}, c.holder,
    clock_timestamp(), c.reference, c.metadata::jsonb
  from claimed c
  where c.got and not exists (select from held where held.request = c.session_id)
  order by c.position
  on conflict (namespace, resource_type, resource_id) do nothing
  returning *
),
session as (
  insert into ${schema}.sessions
    (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
  select g.session_id, g.holder, w.client, make_interval(secs => w.ttl), false, true, g.lock_time, g.lock_time,
    coalesce(g.lock_time + make_interval(secs => w.ttl), 'infinity')
  from granted g
  join wanted w using (session_id)
)
select l.session_id as request, 'granted' as state, l.id, null as namespace, null as resource_type,
  null as resource_id, null::uuid as session_id, l.fencing_token, null as holder, null as client, null as reference,
  nullif(l.metadata, '{}') as metadata, l.lock_time, null::timestamptz as last_touch,
  null::timestamptz as expires_at, null::float8 as expires_in
from granted l
union all
select session_id, 'resource_not_found', null, namespace, resource_type, resource_id, null, null, null, null, null, null,
  null, null, null, null
from wanted
where not known
union all
select request, case when live then 'conflict' else 'expired' end, id, namespace, resource_type, resource_id,
  session_id, fencing_token, holder, client, reference, metadata, lock_time, last_touch,
  nullif(expires_at, 'infinity'), extract(epoch from nullif(expires_at, 'infinity') - now())::float8
from held`
}
