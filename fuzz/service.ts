import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Cleanup } from '../bench/cleanup.ts'
import type { DatabaseServer } from '../bench/database-server.ts'
import { Program } from '../bench/program.ts'
import { migrateUp } from '../src/database/migrations/migrate.ts'
import type { Tested } from './stage.ts'

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url))
const COLLECT = fileURLToPath(new URL('./collect-garbage.js', import.meta.url))

/** The admin key of the service that is tested. It is of no use elsewhere, and makes runs alike. */
const ADMIN_KEY = 'the-administrator-of-the-fuzzer'

/** Arguments of Node that let memory be compared after collections. */
const NODE_ARGS: readonly string[] = ['--expose-gc', '--import', pathToFileURL(COLLECT).href]

/** What is set otherwise than usual. */
const SETTINGS: Readonly<Record<string, string>> = {
  HOST: '127.0.0.1',
  PORT: '0',
  BOOTSTRAP_KEY: ADMIN_KEY,
  LOG_LEVEL: 'error',
  // its changes would look like those of requests
  SWEEP_INTERVAL_MS: '86400000',
  // most keys of a run are unknown, on purpose; the limit has tests of its own
  UNKNOWN_KEYS_PER_SECOND: '0',
  // a busy machine is no fault of the service
  DATABASE_CONNECT_TIMEOUT_MS: '30000',
  DATABASE_STATEMENT_TIMEOUT_MS: '30000',
  DATABASE_LOCK_TIMEOUT_MS: '30000',
}

export interface StartedService extends Tested {
  readonly program: Program
}

export interface ServiceOptions {
  /** More arguments of Node. */
  readonly nodeArgs: readonly string[]
  /** More settings. */
  readonly environment: Readonly<Record<string, string>>
}

/** Starts the compiled service as a process of its own, on a schema of its own. */
export async function startService(
  database: DatabaseServer,
  folder: string,
  { nodeArgs, environment }: ServiceOptions,
  cleanup: Cleanup,
): Promise<StartedService> {
  const schema = await database.freshSchema('leasehold_fuzz')
  await migrateUp({ url: database.url, schema, log: () => {} })
  const program = await Program.start(
    {
      name: 'the service',
      file: process.execPath,
      args: [...NODE_ARGS, ...nodeArgs, MAIN],
      environment: { ...SETTINGS, ...environment, DATABASE_URL: database.url, DATABASE_SCHEMA: schema },
      folder,
    },
    cleanup,
  )
  // the last line of its welcome; the first key is there by then
  const port = await program.ready(() => /listens on \S+:(\d+)[\s\S]*DELETE/.exec(program.output)?.[1])
  return {
    url: `http://127.0.0.1:${port}`,
    port: Number(port),
    pid: program.pid,
    adminKey: ADMIN_KEY,
    schema,
    query: (sql, values) => database.query(sql, values),
    program,
  }
}
