import type { PostgresNode } from './postgres-node.ts'

const SHOWN = 5

/** What the schema's own audit finds wrong; empty too where the schema has none. */
export async function auditFindings(primary: PostgresNode, schema: string): Promise<readonly string[]> {
  if (!(await isThere(primary, `${schema}.audit`))) return []
  // planned for all of it, and not for the first few rows
  const found = await primary.query(
    `with found as materialized (select * from ${schema}.audit) select * from found limit ${SHOWN}`,
  )
  return found.map(finding => JSON.stringify(finding))
}

/** Events of other namespaces go, so that neither the audit nor a copy of the server grows with the run. */
export async function forgetHistory(
  primary: PostgresNode,
  schema: string,
  keptNamespaces: readonly string[],
): Promise<void> {
  if (!(await isThere(primary, `${schema}.lock_events`))) return
  await primary.query(`delete from ${schema}.lock_events where namespace <> all ($1)`, [keptNamespaces])
}

async function isThere(primary: PostgresNode, name: string): Promise<boolean> {
  const [row] = await primary.query<{ there: boolean }>('select to_regclass($1) is not null as there', [name])
  return row?.there === true
}
