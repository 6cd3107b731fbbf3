import type { DatabaseServer } from '../database-server.ts'

/** As the service sets them on each of its connections: a plan from when the table was empty would be slow. */
export const SESSION_SETTINGS = '-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off'

/** A table of bare locks. The key is that of the service's locks, and so are the settings of its vacuum. */
export async function makePlainTable(database: DatabaseServer, schemaName: string): Promise<string> {
  const schema = await database.freshSchema(schemaName)
  await database.query(`create schema ${schema}`)
  const table = `${schema}.plain_locks`
  await database.query(`create table ${table} (
    id bigint generated always as identity,
    namespace text collate "C" not null,
    resource_type text collate "C" not null,
    resource_id text collate "C" not null,
    primary key (namespace, resource_type, resource_id)
  ) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off
  )`)
  return table
}
