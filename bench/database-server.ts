import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { EmbeddedPostgres } from '../src/database/embedded/embedded-postgres.ts'
import type { Cleanup } from './cleanup.ts'
import { parseProcessStat } from './cpu.ts'

/** A PostgreSQL server that is measured. */
export interface DatabaseServer {
  readonly url: string
  /** `18.4`, and where it runs. */
  readonly description: string
  /** Settings that decide what a commit costs. */
  readonly settings: Readonly<Record<string, string>>
  readonly maxConnections: number
  /** The process that all its others descend from; undefined where it runs on another machine. */
  readonly pid: number | undefined
  /** One connection for making and removing schemas and for looking. */
  query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>
  /** A schema of this name that is empty now and gone at the end. */
  freshSchema(name: string): Promise<string>
}

const SETTINGS = [
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'wal_sync_method',
  'shared_buffers',
  'max_connections',
  'max_wal_size',
  'commit_delay',
  'autovacuum_naptime',
  'jit',
]

/** The PostgreSQL that comes with the service, with the settings that it has there. */
export async function embeddedServer(
  folder: string,
  maxConnections: number,
  cleanup: Cleanup,
): Promise<DatabaseServer> {
  const embedded = await EmbeddedPostgres.start({
    dataDir: folder,
    settings: { max_connections: String(maxConnections) },
  })
  const pid = Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
  cleanup.add(
    'the embedded PostgreSQL',
    () => embedded.stop(),
    () => process.kill(pid, 'SIGQUIT'),
  )
  return await connected(embedded.url, 'embedded', cleanup)
}

/** A server of the user's. */
export function givenServer(url: string, cleanup: Cleanup): Promise<DatabaseServer> {
  return connected(url, `at ${new URL(url).host}`, cleanup)
}

async function connected(url: string, where: string, cleanup: Cleanup): Promise<DatabaseServer> {
  const client = new pg.Client({ connectionString: url, application_name: 'leasehold bench' })
  client.on('error', () => {})
  await client.connect()
  cleanup.add(
    'the connection to PostgreSQL',
    () => client.end(),
    () => {},
  )
  const query = async <Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []) =>
    (await client.query<Row>(sql, [...values])).rows
  const found = await query<{ name: string; setting: string }>(
    'select name, current_setting(name) as setting from pg_settings where name = any($1)',
    [[...SETTINGS, 'server_version']],
  )
  const settings = Object.fromEntries(found.map(({ name, setting }) => [name, setting]))
  const { server_version = '', ...others } = settings
  return {
    url,
    description: `${server_version.split(' ')[0]}, ${where}`,
    settings: others,
    maxConnections: Number(settings.max_connections),
    pid: await postmasterOf(client),
    query,
    async freshSchema(name) {
      const drop = `set client_min_messages = warning; drop schema if exists ${name} cascade`
      await client.query(drop)
      cleanup.add(
        `the schema ${name}`,
        () => client.query(drop),
        () => {},
      )
      return name
    },
  }
}

/**
 * The parent of the process that serves this connection. That process names the port we come from in its title,
 * which tells it from one of the same number on this machine when the server runs on another.
 */
async function postmasterOf(client: pg.Client): Promise<number | undefined> {
  // pg does not tell the port it comes from
  const { connection } = client as unknown as { connection: { stream: Socket } }
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const pid = rows[0]?.pid
  const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  if (!title.startsWith('postgres') || !title.includes(`(${connection.stream.localPort})`)) return undefined
  return parseProcessStat(await readFile(`/proc/${pid}/stat`, 'utf8')).parent
}
