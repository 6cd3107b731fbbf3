import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Cleanup } from '../../bench/cleanup.ts'
import type { Disturbance } from './disturbance.ts'

const DISTURBANCE = pathToFileURL(fileURLToPath(new URL('./disturbance.js', import.meta.url))).href
const LISTENS_WITHIN_MS = 30_000
const KEPT_OUTPUT = 8000

/** The compiled service as a process of its own, that is killed, stopped and started again. */
export class ServiceReplica {
  readonly name: string
  readonly #main: string
  readonly #folder: string
  readonly #environment: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #ended: Promise<string> = Promise.resolve('not started')
  #isEndWanted = false
  #port: number | undefined
  #output = ''
  /** Ends that nobody asked for. */
  readonly unwantedEnds: string[] = []
  readonly #onPort: (port: number | undefined) => void

  /** `onPort` hears where it listens now. */
  constructor(
    name: string,
    main: string,
    folder: string,
    environment: Readonly<Record<string, string>>,
    onPort: (port: number | undefined) => void,
    cleanup: Cleanup,
  ) {
    this.name = name
    this.#main = main
    this.#folder = folder
    this.#environment = environment
    this.#onPort = onPort
    cleanup.add(
      `the service ${name}`,
      () => this.end('SIGKILL'),
      () => this.#child?.kill('SIGKILL'),
    )
  }

  /** Undefined while it does not listen. */
  get port(): number | undefined {
    return this.#port
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get #disturbanceFile(): string {
    return join(this.#folder, `${this.name}.disturbance`)
  }

  /** Starts it, again and again while it ends at once for want of a database, and waits until it listens. */
  async start(): Promise<void> {
    const deadline = performance.now() + LISTENS_WITHIN_MS
    while (performance.now() < deadline) {
      if (await this.#tryToStart(deadline)) return
      await pause(100)
    }
    throw new Error(`the service ${this.name} does not listen:\n${this.#output}`)
  }

  async #tryToStart(deadline: number): Promise<boolean> {
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(process.execPath, ['--import', DISTURBANCE, this.#main], {
      cwd: this.#folder,
      env: { PATH, HOME, ...this.#environment, FAULTS_DISTURBANCE: this.#disturbanceFile },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    // until it listens it may give up
    this.#isEndWanted = true
    this.#child = child
    this.#output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
      })
    }
    this.#ended = new Promise(resolve => {
      child.once('close', (code, signal) => {
        const end = signal ?? `exit code ${code}`
        if (!this.#isEndWanted) this.unwantedEnds.push(`${this.name}: ${end}\n${this.#output.slice(-2000)}`)
        this.#child = undefined
        this.#setPort(undefined)
        resolve(end)
      })
    })
    while (this.#child === child && performance.now() < deadline) {
      const port = /listens on \S+:(\d+)/.exec(this.#output)?.[1]
      if (port !== undefined) {
        this.#isEndWanted = false
        this.#setPort(Number(port))
        return true
      }
      await pause(20)
    }
    return false
  }

  /** How it ended: the signal, or `exit code 0`. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<string> {
    this.#isEndWanted = true
    this.#child?.kill('SIGCONT')
    this.#child?.kill(signal)
    return this.#ended
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** What the service then says of its clock, or undefined where it said nothing in time. */
  async disturb(disturbance: Disturbance): Promise<{ aheadMs: number; stallMs: number } | undefined> {
    const done = `${this.#disturbanceFile}.done`
    await rm(done, { force: true })
    await writeFile(this.#disturbanceFile, JSON.stringify(disturbance))
    this.signal('SIGUSR2')
    const deadline = performance.now() + disturbance.stallMs + 2000
    while (performance.now() < deadline) {
      const text = await readFile(done, 'utf8').catch(() => '')
      if (text !== '') return JSON.parse(text)
      await pause(20)
    }
    return undefined
  }

  #setPort(port: number | undefined): void {
    this.#port = port
    this.#onPort(port)
  }
}
