import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseServer } from '../database-server.ts'
import { findProgram, firstLineOf, Program } from '../program.ts'
import type { TestBed } from '../test-bed.ts'
import { PgbenchLoad } from './pgbench-load.ts'
import { plainStatements } from './plain-statements.ts'
import type { Target } from './target.ts'

/** A server keeps some connections for others. */
const RESERVED_CONNECTIONS = 20

/** One insert and one delete, each a transaction of its own: what two commits cost without anything else. */
const SCRIPT = `\\set number random(1, 2000000000)
insert into {table} (namespace, resource_type, resource_id)
  values ('bench', 'item', :client_id::text || '-' || :number::text) returning id \\gset
delete from {table} where namespace = 'bench' and resource_type = 'item'
  and resource_id = :client_id::text || '-' || :number::text;
`

/** The plain limit: bare statements on the server that the service uses. */
export async function startPgbench(bed: TestBed, seconds: number): Promise<Target> {
  const database = await bed.database()
  const table = await makeTable(database)
  const file = await findProgram('pgbench')
  const common = {
    name: 'pgbench',
    processes: { service: [], database: database.pid === undefined ? [] : [database.pid] },
    workloads: ['distinct'],
    maxConnections: database.maxConnections - RESERVED_CONNECTIONS,
  } as const
  if (file === undefined) {
    bed.remark('pgbench is not installed: the same statements are sent by pg, which costs the generator more')
    return {
      ...common,
      description: 'bare insert and delete, one commit each, sent by pg: pgbench is not installed',
      load: (_workload, connections, run) => plainStatements(database.url, table, connections, run),
    }
  }
  const script = join(bed.folder, 'pgbench.sql')
  await writeFile(script, SCRIPT.replaceAll('{table}', table))
  return {
    ...common,
    description: `${await firstLineOf(file, ['--version'])}, bare insert and delete, one commit each, prepared, -j 2`,
    async load(_workload, connections, run) {
      const logs = join(bed.folder, `pgbench-${run}`)
      const args = [
        ...['--no-vacuum', '--protocol=prepared', '--jobs=2', `--client=${connections}`],
        ...[`--time=${Math.ceil(seconds)}`, `--file=${script}`, '--log', `--log-prefix=${logs}`],
      ]
      const environment = connectionVariables(database.url)
      const program = await Program.start(
        { name: 'pgbench', file, args, environment, folder: bed.folder },
        bed.cleanup,
      )
      return new PgbenchLoad(program, logs)
    },
  }
}

/** The key is that of the service's locks, and so are the settings of its vacuum. */
async function makeTable(database: DatabaseServer): Promise<string> {
  const schema = await database.freshSchema('leasehold_bench_plain')
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

/** By the environment, since arguments can be read by everybody. */
function connectionVariables(url: string): Record<string, string> {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url)
  const sslmode = searchParams.get('sslmode')
  return {
    PGHOST: hostname,
    PGPORT: port === '' ? '5432' : port,
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
    ...(sslmode === null ? {} : { PGSSLMODE: sslmode }),
  }
}
