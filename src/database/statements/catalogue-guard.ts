/** Parts of a statement over what resources stood for when the catalogue had a certain version. */
export interface CatalogueGuard {
  /** Comes first among the CTEs. */
  readonly cte: string
  /** Added to the `where` of what everything else depends on, so that nothing is locked before the catalogue. */
  readonly gate: string
  /** True where the catalogue is another by now: the statement has to refuse. */
  readonly changed: string
}

/**
 * Locks the row of the namespace against writers of its catalogue (they update it) until the statement commits, and
 * compares the version. The row is read as it is once it is locked, whatever the snapshot shows; so if the version
 * is still the one that was read, nothing was added or moved before the answer. A row that is not there, or not in
 * the snapshot, counts as changed: whoever read a version made sure of it.
 */
export function catalogueGuard(schema: string, namespace: string, version: string): CatalogueGuard {
  return {
    cte: `catalogue as materialized (
  select n.catalogue_version = ${version}::bigint as as_read
  from ${schema}.namespaces n
  where n.name = ${namespace}
  for share
),
`,
    gate: '(select count(*) from catalogue) >= 0',
    changed: 'not exists (select from catalogue where as_read)',
  }
}
