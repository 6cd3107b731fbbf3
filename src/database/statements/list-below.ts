import { PLANNED_ANEW } from '../pool.ts'

/**
 * The live locks of what a resource stands for by the catalogue, in the order of their resources.
 *
 * `now()` is read before the snapshot, as by everybody who only looks. So the locks are those of one instant; the
 * function has a snapshot of its own, and the catalogue is that of the same instant or a moment later. Locks are
 * fetched through the index, one resource at a time: how many of those there are the planner cannot know, and for a
 * lone object it would read all locks of the namespace. A plan that was kept since the table of locks was small would
 * read all of it for each resource: with ten thousand of both that did not end within twenty seconds.
 *
 * $1 namespace, $2 type, $3 id, $4 expand, $5 most resources, $6 most locks.
 */
export function listBelowSql(schema: string): string {
  return `${PLANNED_ANEW}select held.*
from ${schema}.expand_resources($1, array[$2], array[$3], $4, $5::int) e
cross join lateral (
  select l.id, l.namespace, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, s.client,
    l.reference, l.metadata, l.lock_time, s.last_touch, nullif(s.expires_at, 'infinity') as expires_at,
    extract(epoch from nullif(s.expires_at, 'infinity') - now())::float8 as expires_in
  from ${schema}.locks l
  join ${schema}.sessions s on s.id = l.session_id
  where l.namespace = $1 and l.resource_type = e.resource_type and l.resource_id = e.resource_id
    and s.ended_at is null and s.expires_at > now()
  offset 0
) held
order by held.resource_type, held.resource_id
limit $6::int`
}
