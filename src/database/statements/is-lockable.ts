/**
 * Whether a resource may be locked at all: in a closed namespace, only what the catalogue has. Most namespaces are
 * not even in the table, and then this is one look into an index.
 */
export function isLockable(schema: string, namespace: string, type: string, id: string): string {
  return `not exists (
    select from ${schema}.namespaces n
    where n.name = ${namespace} and n.is_closed and not exists (
      select from ${schema}.resources r
      where r.namespace = ${namespace} and r.resource_type = ${type} and r.resource_id = ${id}
    )
  )`
}
