import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Binaries, findBinaries } from '../../src/database/embedded/binaries.ts'
import { chooseLauncher, commandFor, type Launcher } from '../../src/database/embedded/launcher.ts'
import { runProgram } from '../../src/database/embedded/program.ts'
import { freePort } from './free-port.ts'
import { isWorkedIn, signalFamily } from './processes.ts'
import { until } from './until.ts'

const DEBIAN = '/usr/lib/postgresql'
const OLDEST_SUPPORTED = 14

/** Why these servers cannot be had here; false where they can. */
export const NO_CLUSTERS: string | false = process.platform === 'linux' ? false : 'needs Linux'

interface Test {
  teardown(task: () => Promise<void>): void
}

type Settings = Readonly<Record<string, string>>

const SETTINGS: Settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '32MB',
  jit: 'off',
  deadlock_timeout: '200ms',
  log_min_messages: 'log',
  // for the standbys of those that have some
  hot_standby: 'on',
  max_wal_senders: '5',
  wal_receiver_status_interval: '1s',
  wal_retrieve_retry_interval: '100ms',
}

/** The programs of each PostgreSQL of this machine, by major version: the embedded one, and Debian's. */
export async function installedBinaries(): Promise<ReadonlyMap<number, Binaries>> {
  const found = new Map<number, Binaries>()
  for (const name of await readdir(DEBIAN).catch(() => [])) {
    const home = join(DEBIAN, name)
    const program = (file: string) => join(home, 'bin', file)
    if (Number(name) < OLDEST_SUPPORTED || !existsSync(program('initdb'))) continue
    found.set(Number(name), {
      home,
      postgres: program('postgres'),
      initdb: program('initdb'),
      pgCtl: program('pg_ctl'),
    })
  }
  const embedded = await findBinaries().catch(() => undefined)
  if (embedded === undefined) return found
  const { stdout } = await runProgram(embedded.postgres, ['--version'], { timeoutMs: 10_000 })
  const major = Number(/\) (\d+)/.exec(stdout)?.[1])
  return found.set(major, embedded)
}

/**
 * A server of a test's own with any PostgreSQL: one that may be killed, stopped, copied and promoted. What is left of
 * it goes when the test ends.
 */
export class Cluster {
  readonly url: string
  readonly #binaries: Binaries
  readonly #launcher: Launcher
  readonly #data: string
  readonly #port: number
  readonly #settings: Settings
  #server: ChildProcess | undefined
  #log = ''

  private constructor(
    binaries: Binaries,
    launcher: Launcher,
    data: string,
    port: number,
    settings: Settings,
  ) {
    this.#binaries = binaries
    this.#launcher = launcher
    this.#data = data
    this.#port = port
    this.#settings = settings
    this.url = `postgres://leasehold@127.0.0.1:${port}/postgres`
  }

  /** Makes an empty one and starts it. */
  static async create(t: Test, binaries: Binaries, settings: Settings = {}): Promise<Cluster> {
    const cluster = await Cluster.#prepare(t, binaries, settings)
    await cluster.#run(binaries.initdb, [
      ...['-D', cluster.#data, '-U', 'leasehold', '-E', 'UTF8', '--locale=C', '-A', 'trust'],
      '--no-sync',
    ])
    await cluster.start()
    return cluster
  }

  static async #prepare(t: Test, binaries: Binaries, settings: Settings): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'leasehold-cluster-'))
    await chmod(folder, 0o755)
    const data = join(folder, 'data')
    const launcher = await chooseLauncher(binaries, folder, data)
    const cluster = new Cluster(binaries, launcher, data, await freePort(), settings)
    t.teardown(async () => {
      await cluster.kill()
      await rm(folder, { recursive: true, force: true, maxRetries: 10 })
    })
    await mkdir(data, { mode: 0o700 })
    await cluster.#give(data)
    return cluster
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const settings = Object.entries({ ...SETTINGS, ...this.#settings, port: String(this.#port) })
    const args = ['-D', this.#data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const command = commandFor(this.#launcher, this.#binaries.postgres, args)
    const server = spawn(command.file, command.args, {
      ...command.options,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#server = server
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = `${this.#log}${text}`.slice(-20_000)
    })
    const closed = new Promise(resolve => server.once('close', resolve))
    const end = () => killAtExit(server)
    process.once('exit', end)
    server.once('exit', () => process.off('exit', end))
    await until('the server answers', async () => {
      if (server.exitCode !== null || server.signalCode !== null) {
        await closed
        throw new Error(`the server ended:\n${this.#log}`)
      }
      return await this.sql('select').then(
        () => true,
        () => false,
      )
    })
  }

  /** Ends it in order, or at once as a crash would. */
  async stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    await this.#end(server => server.kill(signal))
  }

  /** Kills all its processes. */
  async kill(): Promise<void> {
    await this.#end(server => this.#signal(server, 'SIGKILL'))
  }

  /** Stops all its processes where they are. */
  async pause(): Promise<void> {
    if (this.#server !== undefined) await this.#signal(this.#server, 'SIGSTOP')
  }

  async resume(): Promise<void> {
    if (this.#server !== undefined) await this.#signal(this.#server, 'SIGCONT')
  }

  /** Resolves when each standby has all that there is. */
  async caughtUp(): Promise<void> {
    await until('the standby has caught up', async () => {
      const [row] = await this.sql<{ yes: boolean }>(
        'select bool_and(flush_lsn >= pg_current_wal_lsn()) as yes from pg_stat_replication',
      )
      return row?.yes
    })
  }

  /** Makes a standby the primary. */
  async promote(): Promise<void> {
    await this.sql('select pg_promote(true, 60)')
    await this.writable()
  }

  /** Resolves when it is no standby any more. */
  async writable(): Promise<void> {
    await until('the server is a primary', async () => {
      const [row] = await this.sql<{ yes: boolean }>('select not pg_is_in_recovery() as yes')
      return row?.yes
    })
  }

  /** One statement, or several, on a connection of their own. */
  async sql<Row extends object = Record<string, unknown>>(
    text: string,
    parameters?: readonly unknown[],
  ): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 5000 })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(text, parameters === undefined ? undefined : [...parameters])).rows as Row[]
    } finally {
      await client.end()
    }
  }

  /**
   * A copy made while it runs, not started: as a base backup is. `standby` makes it follow this one under that
   * name; `recovery` makes it a primary of a new timeline when it starts. With neither it goes on as this one would.
   */
  async copy(
    t: Test,
    as: { readonly standby: string } | 'recovery' | 'bare',
    settings: Settings = {},
  ): Promise<Cluster> {
    const copy = await Cluster.#prepare(t, this.#binaries, {
      ...settings,
      ...(typeof as === 'object'
        ? {
            primary_conninfo: `host=127.0.0.1 port=${this.#port} user=leasehold application_name=${as.standby}`,
          }
        : {}),
      ...(as === 'recovery' ? { restore_command: 'false' } : {}),
    })
    const client = new pg.Client({ connectionString: this.url })
    await client.connect()
    // files that go away meanwhile make it complain; the log of the time of the copy mends what they held
    const copyFolder = (name: string) =>
      runProgram('cp', ['-a', `${join(this.#data, name)}/.`, join(copy.#data, name)], { timeoutMs: 60_000 })
    try {
      await client.query(`select pg_backup_start('copy', true)`)
      await copyFolder('.')
      await rm(join(copy.#data, 'postmaster.pid'))
      const { rows } = await client.query<{ labelfile: string }>(
        'select labelfile from pg_backup_stop(false)',
      )
      await writeFile(join(copy.#data, 'backup_label'), rows[0]?.labelfile ?? '')
      await copyFolder('pg_wal')
    } finally {
      await client.end()
    }
    if (typeof as === 'object') await writeFile(join(copy.#data, 'standby.signal'), '')
    if (as === 'recovery') await writeFile(join(copy.#data, 'recovery.signal'), '')
    await copy.#give(copy.#data)
    return copy
  }

  async #run(file: string, args: readonly string[]): Promise<void> {
    const command = commandFor(this.#launcher, file, args)
    const { code, stdout, stderr } = await runProgram(command.file, command.args, {
      ...command.options,
      timeoutMs: 60_000,
    })
    if (code !== 0) throw new Error(`${file} failed:\n${stdout}${stderr}`)
  }

  async #give(path: string): Promise<void> {
    const { account } = this.#launcher
    if (account === undefined) return
    const { code, stderr } = await runProgram('chown', ['-R', `${account.uid}:${account.gid}`, path], {
      timeoutMs: 60_000,
    })
    if (code !== 0) throw new Error(stderr)
  }

  async #end(end: (server: ChildProcess) => unknown): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    if (server.exitCode !== null || server.signalCode !== null) return
    const gone = new Promise(resolve => server.once('exit', resolve))
    await end(server)
    await gone
    // a backend may outlive the first process for a moment, and a new server refuses the folder until then
    await until(
      'all processes of the server have ended',
      async () => !existsSync(this.#data) || !(await isWorkedIn(this.#data)),
    )
  }

  async #signal(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (server.pid !== undefined) await signalFamily(server.pid, signal)
  }
}

function killAtExit(server: ChildProcess): void {
  server.kill('SIGQUIT')
}
