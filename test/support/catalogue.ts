import type { Stores } from './database.ts'

/** A resource of the tests' namespace: its parent's id, or its elements' ids, which make it a selection. */
export interface Entry {
  readonly parent?: string
  readonly elements?: readonly string[]
}

/** Puts resources of the type `thing` into the catalogue of the namespace `tests`, parents before children. */
export async function putEntries(stores: Stores, entries: Readonly<Record<string, Entry>>): Promise<void> {
  await stores.sql(
    `insert into namespaces (name, catalogue_version) values ('tests', 1)
     on conflict (name) do update set catalogue_version = namespaces.catalogue_version + 1`,
  )
  for (const [id, { parent, elements }] of Object.entries(entries)) {
    await stores.sql(
      `insert into resources (namespace, resource_type, resource_id, parent_type, parent_id, kind)
       values ('tests', 'thing', $1, case when $2::text is not null then 'thing' end, $2, $3)
       on conflict (namespace, resource_type, resource_id) do update set parent_type = excluded.parent_type,
         parent_id = excluded.parent_id`,
      [id, parent ?? null, elements === undefined ? 'object' : 'selection'],
    )
    await stores.sql(
      `insert into selection_elements (namespace, selection_type, selection_id, position, element_type, element_id)
       select 'tests', 'thing', $1, n, 'thing', e from unnest($2::text[]) with ordinality as w(e, n)`,
      [id, elements ?? []],
    )
  }
}

/**
 * Puts a tree into the catalogue of `tests`: below `root` folders of a hundred leaves each, `root`, `root/1`,
 * `root/1/1`, ...; `size` resources besides the root.
 */
export async function putTree(stores: Stores, root: string, size: number): Promise<void> {
  await stores.sql(
    `insert into namespaces (name, catalogue_version) values ('tests', 1)
     on conflict (name) do update set catalogue_version = namespaces.catalogue_version + 1`,
  )
  await stores.sql(
    `insert into resources (namespace, resource_type, resource_id, parent_type, parent_id)
     select 'tests', 'thing', $1, null, null
     union all
     select 'tests', 'thing', $1 || '/' || (n - 1) / 101 || case when (n - 1) % 101 > 0 then '/' || (n - 1) % 101 else '' end,
       'thing', $1 || case when (n - 1) % 101 > 0 then '/' || (n - 1) / 101 else '' end
     from generate_series(1, $2::int) n`,
    [root, size],
  )
}
