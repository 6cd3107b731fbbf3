/**
 * The version of a catalogue, and the ancestors of some of its resources, each with its parent.
 *
 * `union` lets the walk end also where somebody has made a cycle by hand.
 *
 * $1 namespace, $2 types, $3 ids.
 */
export function readAncestorsSql(schema: string): string {
  return `with recursive ancestor as (
  select r.resource_type, r.resource_id, r.parent_type, r.parent_id
  from unnest($2::text[], $3::text[]) as w(resource_type, resource_id)
  join ${schema}.resources r
    on r.namespace = $1 and r.resource_type = w.resource_type and r.resource_id = w.resource_id
  union
  select r.resource_type, r.resource_id, r.parent_type, r.parent_id
  from ancestor a
  join ${schema}.resources r
    on r.namespace = $1 and r.resource_type = a.parent_type and r.resource_id = a.parent_id
)
select n.catalogue_version, a.*
from (select coalesce(max(catalogue_version), 0) as catalogue_version from ${schema}.namespaces where name = $1) n
left join ancestor a on true`
}

/**
 * Writes entries if the catalogue is still of the version that they were checked against: no row means that it is
 * not, and that nothing was written. The row of the namespace is locked by the update, so writers come one
 * after the other, and whoever waited finds another version.
 *
 * $1 namespace, $2 version, $3-$7 types, ids, parents' types, parents' ids, kinds, $8 numbers of elements,
 * $9-$13 elements: selections' types, selections' ids, positions, types, ids.
 */
export function writeEntriesSql(schema: string): string {
  return `with version as (
  insert into ${schema}.namespaces as n (name, catalogue_version)
  values ($1, $2::bigint + 1)
  on conflict (name) do update set catalogue_version = n.catalogue_version + 1
    where n.catalogue_version = $2::bigint
  returning catalogue_version
),
entry as materialized (
  select e.*
  from version,
    unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[])
      as e(resource_type, resource_id, parent_type, parent_id, kind, element_count)
),
written as (
  insert into ${schema}.resources (namespace, resource_type, resource_id, parent_type, parent_id, kind)
  select $1, resource_type, resource_id, parent_type, parent_id, kind
  from entry
  on conflict (namespace, resource_type, resource_id) do update
    set parent_type = excluded.parent_type, parent_id = excluded.parent_id, kind = excluded.kind
  returning 1
),
left_over as (
  delete from ${schema}.selection_elements s
  using entry e
  where s.namespace = $1 and s.selection_type = e.resource_type and s.selection_id = e.resource_id
    and s.position > e.element_count
),
element as (
  insert into ${schema}.selection_elements
    (namespace, selection_type, selection_id, position, element_type, element_id)
  select $1, w.*
  from version, unnest($9::text[], $10::text[], $11::int[], $12::text[], $13::text[]) as w
  on conflict (namespace, selection_type, selection_id, position) do update
    set element_type = excluded.element_type, element_id = excluded.element_id
)
select (select count(*) from written)::int as written from version`
}

/**
 * Takes an entry out unless it has children.
 *
 * $1 namespace, $2 type, $3 id. One row where the entry was there.
 */
export function removeEntrySql(schema: string): string {
  return `with version as (
  update ${schema}.namespaces set catalogue_version = catalogue_version + 1
  where name = $1 and exists (
    select from ${schema}.resources where namespace = $1 and resource_type = $2 and resource_id = $3
  )
  returning name
),
child as materialized (
  select 1 from version, lateral (
    select from ${schema}.resources where namespace = $1 and parent_type = $2 and parent_id = $3 limit 1
  ) any_child
),
removed as (
  delete from ${schema}.resources r using version
  where r.namespace = version.name and r.resource_type = $2 and r.resource_id = $3
    and not exists (select from child)
  returning 1
)
select exists (select from removed) as removed from version`
}
