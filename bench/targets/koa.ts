import { fileURLToPath } from 'node:url'
import { ClosedLoops } from '../load.ts'
import { Program } from '../program.ts'
import type { TestBed } from '../test-bed.ts'
import { clientOf } from '../workloads.ts'
import type { Target } from './target.ts'

const SERVER = fileURLToPath(new URL('./koa-server.js', import.meta.url))

/** The floor of HTTP: the same framework answers the same requests and does nothing. */
export async function startKoa({ cleanup, folder }: TestBed): Promise<Target> {
  const program = await Program.start(
    { name: 'the Koa server', file: process.execPath, args: [SERVER], folder },
    cleanup,
  )
  const port = Number(await program.ready(() => /port (\d+)/.exec(program.output)?.[1]))
  return {
    name: 'koa',
    description: 'Koa and @koa/router, answers of the same size, no database',
    processes: { service: [program.pid], database: [] },
    workloads: ['distinct'],
    load: (workload, connections, run) =>
      ClosedLoops.start(connections, (connection, recorder) =>
        clientOf[workload]({ port, key: 'nobody-looks' }, recorder, { id: run, connection }),
      ),
  }
}
