import type { LockRow } from '../lock-row.ts'
import { PLANNED_ANEW } from '../pool.ts'
import { lockById, lockedSessions, lockOfResource, sessionById } from './by-index.ts'
import { signedEndNote } from './end-note.ts'
import { clockAfter } from './lease.ts'

/**
 * The same `state` and counts in each row, and what is listed for that state: released, or in the way, or
 * (`missing`, `selection`) resources by type and id.
 */
export interface ReleaseSetRow extends Omit<LockRow, 'id'> {
  readonly state: 'released' | 'conflict' | 'too_many' | 'selection_has_no_children' | 'resource_not_found'
  readonly count: number
  readonly conflict_count: number
  /** Of all that were released. */
  readonly holders: readonly string[] | null
  readonly item: 'released' | 'conflict' | 'missing' | 'selection' | null
  readonly id: string | null
}

/** How a release selects, each with a plan of its own. */
export type ReleaseKind = 'locks' | 'resources' | 'all' | 'expanded'

/** What each kind selects from, as `l`, and what `expanded` has besides. */
function selecting(schema: string, kind: ReleaseKind, large: boolean): string {
  switch (kind) {
    case 'locks':
      return `(select * from ${schema}.locks where id = any($9::bigint[]) offset 0) l where l.namespace = $1`
    case 'resources':
      return `(select distinct * from unnest($9::text[], $10::text[])) as w(resource_type, resource_id)
  cross join ${lockOfResource(schema, '$1', 'w.resource_type', 'w.resource_id')} l`
    case 'all':
      return `${schema}.locks l
  ${large ? `join ${schema}.sessions s on s.id = l.session_id` : `cross join ${sessionById(schema, 'l.session_id')} s`}
  where l.namespace = $1 and l.id > 0 and ($2::text is null or l.holder = $2)
    and (not $3::boolean or s.client is not distinct from $4)`
    case 'expanded':
      return `expanded e
  cross join ${lockOfResource(schema, '$1', 'e.resource_type', 'e.resource_id')} l`
  }
}

/**
 * Releases many locks of one namespace, or none. It chooses by its snapshot, then locks the rows of the sessions in
 * the order of their ids, then reads the clock and judges: a lock of a session that ran out meanwhile is neither
 * released nor in the way. A live lock that is another's refuses the whole. What was released or taken over during
 * the wait is no longer found by its id. The trigger ends the sessions that end with their last lock.
 *
 * $1 namespace, $2 holder or null for anybody's, $3 whether the session's client counts, $4 client, $5 most that
 * are chosen, $6 most that are listed, $7 the administrator who releases anybody's, $8 why; then by kind: locks $9 ids;
 * resources $9 types, $10 ids; expanded $9 type, $10 id, $11 expand. `large` has its plan made anew, for the sizes of
 * that moment.
 */
export function releaseSetSql(schema: string, kind: ReleaseKind, { large }: { large: boolean }): string {
  const isExpanded = kind === 'expanded'
  const expanded = isExpanded
    ? `expanded as materialized (
  select e.*,
    e.kind is null and e.is_named and coalesce(n.is_closed, false) and not exists (
      select from ${schema}.locks l
      where l.namespace = $1 and l.resource_type = e.resource_type and l.resource_id = e.resource_id
      offset 0
    ) as missing,
    e.is_named and e.kind = 'selection' and $11 = 'children' as refused
  from ${schema}.expand_resources($1, array[$9::text], array[$10::text], $11, $5::int) e
  left join ${schema}.namespaces n on n.name = $1
),
`
    : ''
  return `${large ? PLANNED_ANEW : ''}with ${expanded}chosen as materialized (
  select l.id, l.session_id, l.holder
  from ${selecting(schema, kind, large)}
  limit $5::int + 1
),
size as materialized (
  select ${
    isExpanded
      ? `count(*) as chosen, coalesce(bool_or(missing), false) as missing, coalesce(bool_or(refused), false) as refused
  from expanded`
      : 'count(*) as chosen, false as missing, false as refused from chosen'
  }
),
present as materialized (
  ${lockedSessions(
    schema,
    `select session_id from chosen
    where exists (select from size where chosen <= $5::int and not missing and not refused)`,
    'update',
  )}
),
clock as materialized (
  ${clockAfter('present')}
),
live as materialized (
  select c.id,
    coalesce(c.holder <> $2, false) or ($3::boolean and p.client is distinct from $4) as other
  from chosen c
  join present p on p.id = c.session_id
  cross join clock
  where p.ended_at is null and p.expires_at > clock.t
),
conflict as materialized (
  select count(*) as count from live where other
),
noted as materialized (
  ${signedEndNote("case when $7::text is null then 'released' else 'forced' end", '$7::text', '$8::text')}
),
released as (
  delete from ${schema}.locks l
  ${large ? 'using live, noted where l.id = live.id' : 'where l.id = any(array(select live.id from live, noted))'}
    and (select count from conflict) = 0
  returning l.id, l.holder, l.fencing_token
),
verdict as materialized (
  select
    case
      when size.chosen > $5::int then 'too_many'
      when size.refused then 'selection_has_no_children'
      when size.missing then 'resource_not_found'
      when conflict.count > 0 then 'conflict'
      else 'released'
    end as state,
    (select count(*) from released)::int as count,
    conflict.count::int as conflict_count,
    (select array_agg(distinct holder) from released) as holders
  from size, conflict
),
listed as materialized (
  (select 'released' as item, id, null::text as resource_type, null::text as resource_id, null::uuid as session_id,
    fencing_token, holder, null::text as client, null::text as reference, null::jsonb as metadata,
    null::timestamptz as lock_time, null::timestamptz as last_touch, null::timestamptz as expires_at
  from released
  order by id
  limit $6::int)
  union all
  (select 'conflict', l.id, l.resource_type, l.resource_id, l.session_id, l.fencing_token, l.holder, s.client,
    l.reference, l.metadata, l.lock_time, s.last_touch, s.expires_at
  from (select id from live where other order by id limit $6::int) o
  cross join ${lockById(schema, 'o.id')} l
  cross join ${sessionById(schema, 'l.session_id')} s)${
    isExpanded
      ? `
  union all
  (select case when refused then 'selection' else 'missing' end, null, resource_type, resource_id, null, null, null,
    null, null, null, null, null, null
  from expanded, verdict
  where (state = 'selection_has_no_children' and refused) or (state = 'resource_not_found' and missing)
  limit $6::int)`
      : ''
  }
)
select v.*, i.item, i.id, $1 as namespace, i.resource_type, i.resource_id, i.session_id, i.fencing_token, i.holder,
  i.client, i.reference, i.metadata, i.lock_time, i.last_touch,
  nullif(i.expires_at, 'infinity') as expires_at,
  extract(epoch from nullif(i.expires_at, 'infinity') - clock.t)::float8 as expires_in
from verdict v
cross join clock
left join listed i on true`
}
