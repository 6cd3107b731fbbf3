import type { Query } from './fingerprint.ts'

/** What the view `audit` finds wrong with the rows, where the schema has one; empty: nothing. */
export async function auditOf(query: Query, schema: string): Promise<readonly string[]> {
  const [found] = await query<{ name: string | null }>('select to_regclass($1) as name', [`${schema}.audit`])
  if (found?.name == null) return []
  const rows = await query<{ row: string }>(`select a::text as row from ${schema}.audit a limit 20`)
  return rows.map(({ row }) => `audit: ${row}`)
}
