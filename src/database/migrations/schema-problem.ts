import { migrationNames } from './migration-file.ts'
import { checkSchemaName, MIGRATIONS_TABLE, migrationsTableExists, type RunQuery } from './migration-table.ts'

/**
 * Why this code cannot work on the schema, with what to do about it; undefined where every migration that the
 * code knows is applied. A schema that is newer than the code is no problem: while a new version is rolled
 * out, the replicas of the old one go on. Errors of the query are passed on.
 */
export async function schemaProblem(
  query: RunQuery,
  schema: string,
  directory?: URL | string,
): Promise<string | undefined> {
  checkSchemaName(schema)
  const names = await migrationNames(directory)
  const applied = new Set<unknown>()
  if (await migrationsTableExists(query, schema)) {
    const { rows } = await query(`select name from "${schema}".${MIGRATIONS_TABLE}`, [])
    for (const row of rows) applied.add(row.name)
  }
  const [next, ...more] = names.filter(name => !applied.has(name))
  if (next === undefined) return undefined
  const others = more.length === 0 ? '' : ` and ${more.length} more`
  return `the schema "${schema}" is older than this version of the service: ${next}${others} not applied; run "npm run migrate -- up"`
}
