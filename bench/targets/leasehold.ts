import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import type { DatabaseServer } from '../database-server.ts'
import type { Address } from '../leasehold-client.ts'
import { ClosedLoops } from '../load.ts'
import { Program } from '../program.ts'
import type { TestBed } from '../test-bed.ts'
import { clientOf, WORKLOADS, type WorkloadName } from '../workloads.ts'
import type { Target, TargetName } from './target.ts'

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** A running service of ours. */
export interface Service extends Address {
  readonly pid: number
  readonly database: DatabaseServer
}

/** Starts the compiled service as a process of its own, on a schema of its own. */
export async function startService(
  bed: TestBed,
  schemaName: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Service> {
  const database = await bed.database()
  const schema = await database.freshSchema(schemaName)
  await migrateUp({ url: database.url, schema, log: () => {} })
  const key = randomBytes(32).toString('hex')
  const program = await Program.start(
    {
      name: `the service on ${schema}`,
      file: process.execPath,
      args:
        bed.profileFolder === undefined ? [MAIN] : ['--cpu-prof', '--cpu-prof-dir', bed.profileFolder, MAIN],
      environment: {
        HOST: '127.0.0.1',
        PORT: '0',
        DATABASE_URL: database.url,
        DATABASE_SCHEMA: schema,
        BOOTSTRAP_KEY: key,
        LOG_LEVEL: 'warn',
        ...bed.serviceSettings,
        ...settings,
      },
      // not where a .env could change the settings
      folder: bed.folder,
    },
    bed.cleanup,
  )
  // the last line of its welcome; the first key is there by then
  const port = await program.ready(() => /listens on \S+:(\d+)[\s\S]*DELETE/.exec(program.output)?.[1])
  return { port: Number(port), key, pid: program.pid, database }
}

export async function startLeasehold(
  bed: TestBed,
  name: TargetName,
  schema: string,
  settings: Readonly<Record<string, string>>,
  workloads: readonly WorkloadName[] = Object.keys(WORKLOADS) as WorkloadName[],
): Promise<Target> {
  const service = await startService(bed, schema, settings)
  const { pid, database } = service
  const set = Object.entries({ ...bed.serviceSettings, ...settings }).map(([key, value]) => `${key}=${value}`)
  return {
    name,
    description: ['the compiled service', ...set].join(', '),
    processes: { service: [pid], database: database.pid === undefined ? [] : [database.pid] },
    workloads,
    load: (workload, connections, run) =>
      ClosedLoops.start(connections, (connection, recorder) =>
        clientOf[workload](service, recorder, { id: run, connection }),
      ),
  }
}
