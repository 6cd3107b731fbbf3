/**
 * Whether a resource may be locked at all: in a closed namespace, only what the catalogue has. Most namespaces are
 * not even in the table, and then this is one look into an index: the catalogue is compared with the row of the
 * namespace, so that PostgreSQL does not look into it without one.
 */
export function isLockable(schema: string, namespace: string, type: string, id: string): string {
  return `not exists (
    select from ${schema}.namespaces n
    where n.name = ${namespace} and n.is_closed and not exists (
      select from ${schema}.resources r
      where r.namespace = n.name and r.resource_type = ${type} and r.resource_id = ${id}
    )
  )`
}
