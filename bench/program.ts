import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { access, constants, readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Cleanup } from './cleanup.ts'

const READY_WITHIN_MS = 60_000
const STOPPED_WITHIN_MS = 20_000
const POLL_MS = 20
const KEPT_OUTPUT = 20_000

export interface ProgramOptions {
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
  /** All it gets besides PATH and HOME: settings of the caller's shell must not change what is measured. */
  readonly environment?: Readonly<Record<string, string>>
  readonly folder: string
}

/** A program of another process, which is stopped when the benchmark ends. */
export class Program {
  readonly pid: number
  /** Resolves with how it ended. */
  readonly ended: Promise<string>
  readonly #name: string
  readonly #child: ChildProcess
  #output = ''
  #end: string | undefined

  private constructor(name: string, child: ChildProcess, pid: number) {
    this.#name = name
    this.#child = child
    this.pid = pid
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
      })
    }
    this.ended = new Promise(resolve => {
      child.once('close', (code, signal) => {
        this.#end = signal === null ? `exit code ${code}` : `signal ${signal}`
        resolve(this.#end)
      })
    })
  }

  static async start(options: ProgramOptions, cleanup: Cleanup): Promise<Program> {
    const { name, file, args, environment = {}, folder } = options
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(file, args, {
      cwd: folder,
      env: { PATH, HOME, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      // a group of its own: Ctrl-C is for us, and we stop it when we no longer need it
      detached: true,
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', error => reject(new Error(`${name} cannot be started: ${error.message}`)))
    })
    if (child.pid === undefined) throw new Error(`${name} has no process id`)
    const program = new Program(name, child, child.pid)
    cleanup.add(
      name,
      () => program.stop(),
      () => child.kill('SIGKILL'),
    )
    return program
  }

  get output(): string {
    return this.#output
  }

  /** Asks until there is an answer. Rejects when the program ends or a minute has passed. */
  async ready<Answer>(ask: () => Promise<Answer | undefined> | Answer | undefined): Promise<Answer> {
    const deadline = performance.now() + READY_WITHIN_MS
    while (performance.now() < deadline && this.#end === undefined) {
      const answer = await ask()
      if (answer !== undefined) return answer
      await pause(POLL_MS)
    }
    throw this.failure('was not ready')
  }

  failure(what: string): Error {
    const end = this.#end === undefined ? '' : ` (${this.#end})`
    return new Error(`${this.#name} ${what}${end}:\n${this.#output.slice(-2000)}`)
  }

  /** Lets it end in order, and kills it where it does not. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOPPED_WITHIN_MS)
    await this.ended
    clearTimeout(late)
  }
}

/** A TCP port that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address !== null && typeof address === 'object'
          ? resolve(address.port)
          : reject(new Error('no port')),
      )
    })
  })
}

/** The path of a program in PATH, or in one of the folders of Debian's PostgreSQL, the newest first. */
export async function findProgram(name: string): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql'
  const versions = (await readdir(debian).catch(() => [])).sort((a, b) => Number(b) - Number(a))
  const folders = [
    ...versions.map(version => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  for (const folder of folders) {
    const file = join(folder, name)
    const runs = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runs) return file
  }
  return undefined
}

/** The first line that a program prints, such as its version; undefined where it fails. */
export async function firstLineOf(file: string, args: readonly string[]): Promise<string | undefined> {
  const run = promisify(execFile)
  const printed = await run(file, args, { timeout: 10_000 }).catch(() => undefined)
  return printed?.stdout.split('\n')[0]?.trim()
}
