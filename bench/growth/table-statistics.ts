import type { DatabaseServer } from '../database-server.ts'
import type { TableStatistics } from './growth-result.ts'

/** What PostgreSQL counts of the tables that grow. Its counts come up to ten seconds late. */
export async function tableStatistics(
  database: DatabaseServer,
  schema: string,
): Promise<readonly TableStatistics[]> {
  return await database.query<TableStatistics & Record<string, unknown>>(
    `select relname as table, n_live_tup::float8 as "liveRows", n_dead_tup::float8 as "deadRows",
            n_tup_upd::float8 as updates, n_tup_hot_upd::float8 as "hotUpdates",
            autovacuum_count::float8 as autovacuums, pg_relation_size(relid)::float8 as "tableBytes",
            (select jsonb_object_agg(indexrelname, pg_relation_size(indexrelid))
             from pg_stat_user_indexes i where i.relid = t.relid) as "indexBytes"
     from pg_stat_user_tables t where schemaname = $1 and relname in ('sessions', 'locks') order by relname`,
    [schema],
  )
}
