import { type ChildProcess, spawn } from 'node:child_process'
import { chown, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Cleanup } from '../../bench/cleanup.ts'
import { commandFor } from '../../src/database/embedded/launcher.ts'
import { runProgram } from '../../src/database/embedded/program.ts'
import type { Installation } from './postgres-binaries.ts'
import { familyNow, killFamilyAtOnce, signalOne } from './process-family.ts'

export const DATABASE = 'leasehold'
/** Owns the database and is no superuser, as the service's role should be. */
export const SERVICE_ROLE = 'leasehold'
const SUPERUSER = 'postgres'
const READY_WITHIN_MS = 60_000
const POLL_MS = 15

export type Settings = Readonly<Record<string, string>>

/** A PostgreSQL server of the harness: its folder, its port, and the process while there is one. */
export class PostgresNode {
  readonly name: string
  readonly port: number
  readonly folder: string
  readonly #log: string
  readonly #installation: Installation
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()

  constructor(name: string, parent: string, port: number, installation: Installation, cleanup: Cleanup) {
    this.name = name
    this.port = port
    this.folder = join(parent, name)
    this.#log = join(parent, `${name}.log`)
    this.#installation = installation
    cleanup.add(
      `PostgreSQL ${name}`,
      () => this.kill(),
      () => {
        if (this.#child?.pid !== undefined) killFamilyAtOnce(this.#child.pid)
      },
    )
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`PostgreSQL ${this.name} does not run`)
    return this.#child.pid
  }

  get runs(): boolean {
    return this.#child !== undefined
  }

  get ended(): Promise<void> {
    return this.#ended
  }

  /** A new cluster, whose connections need no password. */
  async initialise(): Promise<void> {
    await this.makeFolder()
    const { launcher, binaries } = this.#installation
    const command = commandFor(launcher, binaries.initdb, [
      `--pgdata=${this.folder}`,
      `--username=${SUPERUSER}`,
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-instructions',
    ])
    const { code, stderr } = await runProgram(command.file, command.args, {
      ...command.options,
      timeoutMs: READY_WITHIN_MS,
    })
    if (code !== 0) throw new Error(`initdb failed: ${stderr}`)
  }

  /** An empty folder that the server may use. */
  async makeFolder(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
    await mkdir(this.folder, { mode: 0o700 })
    await this.give(this.folder)
  }

  /** To whom the server runs as. */
  async give(path: string): Promise<void> {
    const { account } = this.#installation.launcher
    if (account !== undefined) await chown(path, account.uid, account.gid)
  }

  /** Starts the server and waits until it can be asked. */
  async start(settings: Settings): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS
    for (;;) {
      await this.launch(settings)
      try {
        return await this.ready()
      } catch (error) {
        // a backend of its predecessor may still be on its way out
        const isInTheWay = this.#child === undefined && String(error).includes('still in use')
        if (!isInTheWay || performance.now() > deadline) throw error
        await pause(100)
      }
    }
  }

  async launch(settings: Settings): Promise<void> {
    if (this.#child !== undefined) throw new Error(`PostgreSQL ${this.name} runs already`)
    const all: Settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      ...settings,
      port: String(this.port),
    }
    const args = [
      '-D',
      this.folder,
      ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]
    const { launcher, binaries } = this.#installation
    const command = commandFor(launcher, binaries.postgres, args)
    const log = await open(this.#log, 'a')
    const child = spawn(command.file, command.args, {
      ...command.options,
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
    })
    this.#child = child
    this.#ended = new Promise(resolve => {
      child.once('exit', () => {
        this.#child = undefined
        resolve()
      })
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    }).finally(() => log.close())
  }

  async ready(): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS
    let trouble = ''
    while (performance.now() < deadline) {
      if (this.#child === undefined) break
      try {
        await this.query('select 1', [], 'postgres')
        return
      } catch (error) {
        trouble = String(error)
      }
      await pause(POLL_MS)
    }
    throw new Error(`PostgreSQL ${this.name} did not come up: ${trouble}\n${(await this.log()).slice(-2000)}`)
  }

  /** On a connection of its own, as superuser. */
  async query<Row extends pg.QueryResultRow>(
    sql: string,
    values: readonly unknown[] = [],
    database: string = DATABASE,
  ): Promise<Row[]> {
    const client = await this.connect(database)
    try {
      return (await client.query<Row>(sql, [...values])).rows
    } finally {
      void client.end().catch(() => {})
    }
  }

  async connect(database: string = DATABASE, user: string = SUPERUSER): Promise<pg.Client> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.port,
      user,
      database,
      application_name: 'faults',
      connectionTimeoutMillis: 3000,
    })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  /** fast: ends connections in order; immediate: as if it had crashed. */
  async stop(mode: 'fast' | 'immediate'): Promise<void> {
    const ended = this.#ended
    this.#child?.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
  }

  /** The whole family at once, as a machine that loses power but keeps what its disk was given. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child?.pid === undefined) return
    const ended = this.#ended
    // so that it starts no others meanwhile
    child.kill('SIGSTOP')
    const members = familyNow(child.pid)
    for (const member of members) signalOne(member, 'SIGKILL')
    await ended
    // a backend that lives on would keep its memory, and the next start would be refused
    while (members.some(isAlive)) await pause(5)
  }

  signalAll(signal: NodeJS.Signals): void {
    if (this.#child?.pid === undefined) return
    for (const member of familyNow(this.#child.pid)) signalOne(member, signal)
  }

  async log(): Promise<string> {
    return readFile(this.#log, 'utf8').catch(() => '')
  }

  async write(name: string, text: string): Promise<void> {
    const path = join(this.folder, name)
    await writeFile(path, text, { mode: 0o600 })
    await this.give(path)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
