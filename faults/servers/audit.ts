import type { PostgresNode } from './postgres-node.ts'

const SHOWN = 5

/** What the schema's own audit finds wrong; empty too where the schema has none. */
export async function auditFindings(primary: PostgresNode, schema: string): Promise<readonly string[]> {
  const [row] = await primary.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    `${schema}.audit`,
  ])
  if (row?.there !== true) return []
  const found = await primary.query(`select * from ${schema}.audit limit ${SHOWN}`)
  return found.map(finding => JSON.stringify(finding))
}
