import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseServer } from '../database-server.ts'
import { findProgram, firstLineOf, Program } from '../program.ts'
import type { TestBed } from '../test-bed.ts'
import { PgbenchLoad } from './pgbench-load.ts'
import { plainStatements } from './plain-statements.ts'
import { makePlainTable, SESSION_SETTINGS } from './plain-table.ts'
import type { Target } from './target.ts'

/** Connections that are others': the pools of two services, ours, and what the server keeps for superusers. */
const RESERVED_CONNECTIONS = 34

/** pgbench's time begins before it connects. */
const SECONDS_TO_CONNECT = 1.5
const CONNECTS_PER_SECOND = 50

/** One insert and one delete, each a transaction of its own: what two commits cost without anything else. */
const SCRIPT = `\\set number random(1, 2000000000)
insert into {table} (namespace, resource_type, resource_id)
  values ('bench', 'item', :client_id::text || '-' || :number::text) returning id \\gset
delete from {table} where namespace = 'bench' and resource_type = 'item'
  and resource_id = :client_id::text || '-' || :number::text;
`

/** The plain limit: bare statements on the server that the service uses, for at least so many seconds. */
export async function startPgbench(bed: TestBed, seconds: number): Promise<Target> {
  const database = await bed.database()
  const table = await makePlainTable(database, 'leasehold_bench_plain')
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
      const time = Math.ceil(seconds + SECONDS_TO_CONNECT + connections / CONNECTS_PER_SECOND)
      const args = [
        ...['--no-vacuum', '--protocol=prepared', '--jobs=2', `--client=${connections}`],
        ...[`--time=${time}`, `--file=${script}`, '--log', `--log-prefix=${logs}`],
      ]
      const environment = connectionVariables(database.url)
      const program = await Program.start(
        { name: 'pgbench', file, args, environment, folder: bed.folder },
        bed.cleanup,
      )
      await program.ready(async () => ((await clientsOf(database)) < connections ? undefined : true))
      return new PgbenchLoad(program, logs)
    },
  }
}

async function clientsOf(database: DatabaseServer): Promise<number> {
  const [row] = await database.query<{ clients: number }>(
    `select count(*)::int as clients from pg_stat_activity where application_name = 'pgbench'`,
  )
  return row?.clients ?? 0
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
    PGAPPNAME: 'pgbench',
    PGOPTIONS: SESSION_SETTINGS,
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
    ...(sslmode === null ? {} : { PGSSLMODE: sslmode }),
  }
}
