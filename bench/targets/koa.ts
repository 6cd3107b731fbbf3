import { fileURLToPath } from 'node:url'
import type { DatabaseServer } from '../database-server.ts'
import { ClosedLoops } from '../load.ts'
import { Program } from '../program.ts'
import type { TestBed } from '../test-bed.ts'
import { clientOf } from '../workloads.ts'
import { makePlainTable } from './plain-table.ts'
import type { Target } from './target.ts'

const SERVER = fileURLToPath(new URL('./koa-server.js', import.meta.url))

/** The floor of HTTP: the same framework answers the same requests and does nothing. */
export function startKoa(bed: TestBed): Promise<Target> {
  return start(bed, {
    name: 'koa',
    description: 'Koa and @koa/router, answers of the same size, no database',
  })
}

/** The floor of HTTP and a durable row: what no service of this framework on this database can do without. */
export async function startKoaWithRows(bed: TestBed): Promise<Target> {
  const database = await bed.database()
  const table = await makePlainTable(database, 'leasehold_bench_rows')
  return start(
    bed,
    {
      name: 'koa, bare rows',
      description:
        'Koa and @koa/router with answers of the same size; a bare insert and a bare delete, in batches of up to 64 with a commit each',
    },
    { database, table },
  )
}

async function start(
  { cleanup, folder }: TestBed,
  named: Pick<Target, 'name' | 'description'>,
  rows?: { readonly database: DatabaseServer; readonly table: string },
): Promise<Target> {
  const program = await Program.start(
    {
      name: `the Koa server (${named.name})`,
      file: process.execPath,
      args: [SERVER],
      environment: rows === undefined ? {} : { DATABASE_URL: rows.database.url, TABLE: rows.table },
      folder,
    },
    cleanup,
  )
  const port = Number(await program.ready(() => /port (\d+)/.exec(program.output)?.[1]))
  return {
    ...named,
    processes: {
      service: [program.pid],
      database: rows?.database.pid === undefined ? [] : [rows.database.pid],
    },
    workloads: ['distinct'],
    load: (workload, connections, run) =>
      ClosedLoops.start(connections, (connection, recorder) =>
        clientOf[workload]({ port, key: 'nobody-looks' }, recorder, { id: run, connection }),
      ),
  }
}
