-- Up Migration

-- For expand_resources(), and usable for nothing else. Where most resources have the same parent, the planner takes
-- every parent for one with as many children, and would rather go through the whole namespace, by the table or by
-- the primary key, once for each resource: for a hundred thousand that does not end. By the hash there is one way.
create index resources_parent_hash_idx
  on resources (hashtextextended(namespace || chr(31) || parent_type || chr(31) || parent_id, 0))
  where parent_id is not null;

-- What resources stand for by the catalogue, in one place for acquires and releases.
--
-- It is volatile so that its query has a snapshot of its own: called after a wait, it sees what was committed
-- during the wait. Children are fetched by index, one parent at a time; two parents whose hashes collide are told
-- apart afterwards. `union` ends the walk also where somebody has made a cycle by hand.
create function expand_resources(namespace text, types text[], ids text[], expand text, most integer)
  returns table (resource_type text, resource_id text, kind text, is_named boolean, is_element boolean)
  language sql volatile
  rows 10000
  set enable_seqscan = off
  set jit = off
  begin atomic
    with recursive named as materialized (
      select w.resource_type collate "C" as resource_type, w.resource_id collate "C" as resource_id, r.kind
      from unnest(types, ids) as w(resource_type, resource_id)
      left join resources r
        on r.namespace = expand_resources.namespace and r.resource_type = w.resource_type
          and r.resource_id = w.resource_id
    ),
    below as (
      select n.resource_type, n.resource_id
      from named n
      where n.kind = 'object' and expand in ('children', 'contents')
      union
      select child.resource_type, child.resource_id
      from below b
      cross join lateral (
        select r.*
        from resources r
        where hashtextextended(r.namespace || chr(31) || r.parent_type || chr(31) || r.parent_id, 0)
            = hashtextextended(expand_resources.namespace || chr(31) || b.resource_type || chr(31) || b.resource_id, 0)
          and r.parent_id is not null
        offset 0
      ) child
      where child.namespace = expand_resources.namespace and child.parent_type = b.resource_type
        and child.parent_id = b.resource_id
    ),
    element as materialized (
      select distinct listed.element_type, listed.element_id
      from named n
      cross join lateral (
        select e.element_type, e.element_id
        from selection_elements e
        where e.namespace = expand_resources.namespace and e.selection_type = n.resource_type
          and e.selection_id = n.resource_id
        offset 0
      ) listed
      where n.kind = 'selection' and expand in ('elements', 'contents')
      limit most + 1
    ),
    part as (
      select n.resource_type, n.resource_id, n.kind, true as is_named, false as is_element from named n
      union all
      (select b.resource_type, b.resource_id, null, false, false from below b limit most + 1)
      union all
      select e.element_type, e.element_id, r.kind, false, true
      from element e
      left join resources r
        on r.namespace = expand_resources.namespace and r.resource_type = e.element_type
          and r.resource_id = e.element_id
    )
    select p.resource_type, p.resource_id, max(p.kind), bool_or(p.is_named), bool_or(p.is_element)
    from part p
    group by p.resource_type, p.resource_id;
  end;
comment on function expand_resources(text, text[], text[], text, integer) is
  'What the named resources stand for, themselves included. expand: none; elements (of selections); children (of objects, at any depth); contents (both). Where it is more than "most", a part that is larger than that. kind is null for what the catalogue does not have, and for what was only found below another.';

-- Down Migration

drop function expand_resources(text, text[], text[], text, integer);

drop index resources_parent_hash_idx;
