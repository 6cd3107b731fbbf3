/** One of the resources that others stand for; see expand_resources() in the migrations. */
export interface ExpansionRow {
  /** Null: nobody has said anything about the namespace yet. */
  readonly catalogue_version: string | null
  readonly resource_type: string
  readonly resource_id: string
  /** Null where the catalogue does not have it, and for what was only found below another. */
  readonly kind: 'object' | 'selection' | null
  readonly is_named: boolean
  readonly is_element: boolean
}

/**
 * What resources stand for, and the version of the catalogue. The function looks later than the statement does, so
 * the version is never newer than what is read: a change between the two makes the guard refuse, and no other way.
 *
 * $1 namespace, $2 types, $3 ids, $4 expand, $5 most: where there are more, a part of them that is larger than this.
 */
export function readExpansionSql(schema: string): string {
  return `select n.catalogue_version, e.*
from ${schema}.expand_resources($1, $2::text[], $3::text[], $4, $5::int) e
left join ${schema}.namespaces n on n.name = $1`
}

/** Gives a namespace the row whose version guards its catalogue. $1 namespace. */
export function ensureNamespaceSql(schema: string): string {
  return `insert into ${schema}.namespaces (name) values ($1) on conflict (name) do nothing`
}
