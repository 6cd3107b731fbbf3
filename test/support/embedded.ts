import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { isRoot } from '../../src/database/embedded/account.ts'
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.ts'
import { findPostmaster } from '../../src/database/embedded/postmaster-file.ts'
import { runProgram } from '../../src/database/embedded/program.ts'
import { until } from './until.ts'

interface Teardown {
  teardown(task: () => Promise<void> | void): void
}

export interface Event {
  readonly event: string
  readonly [key: string]: unknown
}

/** A data folder for an embedded server. It and what still runs in it are gone when the test ends. */
export async function dataFolder(t: Teardown, mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-embedded-'))
  await chmod(folder, mode)
  t.teardown(async () => {
    await killServer(folder)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return folder
}

let template: Promise<string> | undefined

/** A data folder whose server was stopped in order: a copy of one that is made once, since making one costs most. */
export async function usedFolder(t: Teardown): Promise<string> {
  template ??= makeTemplate()
  const folder = await dataFolder(t)
  const copied = await runProgram('cp', ['-a', `${await template}/.`, folder], { timeoutMs: 60_000 })
  if (copied.code !== 0) throw new Error(copied.stderr)
  return folder
}

async function makeTemplate(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-embedded-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  await (await EmbeddedPostgres.start({ dataDir: folder })).stop()
  return folder
}

/** The process id of the server of a data folder, if one runs. */
export async function serverPid(dataDir: string): Promise<number | undefined> {
  const found = await findPostmaster(join(dataDir, 'postgres')).catch(() => undefined)
  return found?.state === 'running' && found.postmaster.pid > 0 ? found.postmaster.pid : undefined
}

/** kill -9 for the server of a data folder. Resolves when it is gone. */
export async function killServer(dataDir: string): Promise<void> {
  const pid = await serverPid(dataDir)
  if (pid === undefined) return
  process.kill(pid, 'SIGKILL')
  await until('the server is gone', async () => (await serverPid(dataDir)) !== pid)
}

/** One statement on a connection of its own. */
export async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end()
  }
}

/** A process of its own that uses the embedded server of a folder, as a service would. */
export class EmbeddedProcess {
  readonly events: Event[] = []
  readonly ended: Promise<number | null>
  readonly #child: ChildProcess
  #exited = false

  constructor(t: Teardown, dataDir: string, options: { uid?: number; gid?: number; program?: string } = {}) {
    const { program = fileURLToPath(new URL('./embedded-process.js', import.meta.url)), ...user } = options
    // tap puts itself into each Node that a test starts, also into those that may not write to its folders.
    const clean = ['-i', `PATH=${process.env.PATH}`, process.execPath, program, dataDir]
    this.#child = spawn('env', clean, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'], ...user })
    this.ended = new Promise(resolve => {
      this.#child.once('exit', code => {
        this.#exited = true
        resolve(code)
      })
    })
    if (this.#child.stdout === null) throw new Error('no stdout')
    createInterface(this.#child.stdout).on('line', line => this.events.push(JSON.parse(line) as Event))
    t.teardown(async () => {
      if (!this.#exited) this.#child.kill('SIGKILL')
      await this.ended
    })
  }

  /** Resolves with what the start came to: `started` or `refused`. */
  async outcome(): Promise<Event> {
    return await this.told('started', 'refused')
  }

  /** Resolves with the first event of one of these names. */
  async told(...names: string[]): Promise<Event> {
    return await until(
      `the process tells ${names.join(' or ')}; it told ${JSON.stringify(this.events)}`,
      () => this.events.find(({ event }) => names.includes(event)),
    )
  }

  /** Tells it to stop. Resolves with its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return await this.ended
  }

  /** Lets it do nothing until it is thawed. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }
}

/** Why a test that needs root on Linux cannot run here; false where it can. */
export const NEEDS_ROOT: string | false =
  isRoot() && process.platform === 'linux' ? false : 'needs root on Linux'
