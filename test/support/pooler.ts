import { spawn } from 'node:child_process'
import { access, chmod, constants, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import { accountForServer, isRoot } from '../../src/database/embedded/account.ts'
import { freePort } from './free-port.ts'
import { POOLED_ROLE, withHost } from './through-pooler.ts'
import { until } from './until.ts'

/**
 * What `npm run roles` sets, except for time-outs: those of the tests are longer, since they run on busy machines.
 */
const ROLE_SETTINGS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  statement_timeout: '20s',
  lock_timeout: '5s',
  idle_in_transaction_session_timeout: '2s',
  client_connection_check_interval: '500ms',
  default_transaction_isolation: 'read committed',
} as const

/** Fewer than the clients, so that each of them meets connections that others have used. */
const SERVER_CONNECTIONS = 12

export interface Pooler {
  /** Host and port. */
  readonly host: string
  stop(): Promise<void>
}

/** PgBouncer in transaction mode before a server. It ends with this process, however that ends. */
export async function startPooler(serverUrl: string): Promise<Pooler> {
  const program = await findPgBouncer()
  await makeRole(serverUrl)
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-pgbouncer-'))
  await chmod(folder, 0o755)
  const file = join(folder, 'pgbouncer.ini')
  const port = await freePort()
  await writeFile(file, settings(new URL(serverUrl), port))
  // it does not run as root
  const account = isRoot() ? await accountForServer(folder) : undefined
  const server = spawn(program, ['-q', file], {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'inherit'],
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  })
  const gone = new Promise(resolve => server.once('exit', resolve))
  const end = () => server.kill('SIGKILL')
  process.once('exit', end)
  const host = `127.0.0.1:${port}`
  await until('PgBouncer answers', async () => {
    if (server.exitCode !== null || server.signalCode !== null) throw new Error('PgBouncer ended')
    return await answers(withHost(serverUrl, host))
  })
  return {
    host,
    async stop() {
      process.off('exit', end)
      server.kill('SIGKILL')
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/**
 * Clients need no password here: the pooler has one, and listens to this machine alone. Connections to the server do
 * not live long, since settings of a role or a database that a test changes are met by new ones alone.
 */
function settings(server: URL, port: number): string {
  return `[databases]
* = host=${server.hostname} port=${server.port} user=${POOLED_ROLE} password='${decodeURIComponent(server.password).replaceAll("'", "''")}'

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 2000
default_pool_size = ${SERVER_CONNECTIONS}
server_lifetime = 2
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
`
}

async function makeRole(serverUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    await client.query(`drop role if exists ${POOLED_ROLE}`)
    const password = pg.escapeLiteral(decodeURIComponent(new URL(serverUrl).password))
    await client.query(`create role ${POOLED_ROLE} superuser login password ${password}`)
    for (const [name, value] of Object.entries(ROLE_SETTINGS)) {
      await client.query(`alter role ${POOLED_ROLE} set ${name} = ${pg.escapeLiteral(value)}`)
    }
  } finally {
    await client.end()
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function findPgBouncer(): Promise<string> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  for (const folder of folders) {
    const file = join(folder, 'pgbouncer')
    const runs = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runs) return file
  }
  throw new Error('TEST_POOLER=pgbouncer needs PgBouncer: apt-get install pgbouncer')
}
