import cluster from 'node:cluster'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Front } from './front.ts'
import type { Metrics } from './http/metrics.ts'
import { countsOf, type MetricsSnapshot, snapshotOf, textOfAll } from './http/metrics-sum.ts'
import { messageOf, StartError } from './start-problems.ts'
import { type WorkerEnd, WorkerProcess } from './worker-process.ts'

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url))

/** From one start of a worker to the start of the one in its place, so that a fault at every start does not spin. */
const START_INTERVAL_MS = 1000

/** How much longer than the deadline workers may take to stop: one that hangs must not hold up the end for ever. */
const STOP_GRACE_MS = 5000

export interface WorkersOptions {
  readonly config: Config
  readonly databaseUrl: string
  /** Of this process: they are part of every sum. */
  readonly metrics: Metrics
  readonly log: Logger
}

/** Settled once: when all workers listen, or the first of them cannot start. */
interface Opening {
  resolve(): void
  reject(error: StartError): void
}

/** The processes that answer requests, all on one port. One that dies is replaced. */
export class Workers implements Front {
  readonly #options: WorkersOptions
  readonly #log: Logger
  readonly #running = new Set<WorkerProcess>()
  readonly #stop = new AbortController()
  #opening: Opening | undefined
  /** Resolves after the stop, when the last worker has ended. */
  #allEnded: Promise<unknown> = Promise.resolve()
  #url: string | undefined
  /** What workers are told to listen on. 0 gives all of them the same port, as long as one of them has it. */
  #port: number
  /** What workers that have ended had counted: without it the sums would fall, which looks like a restart. */
  #endedCounts: Promise<MetricsSnapshot> = Promise.resolve([])

  private constructor(options: WorkersOptions) {
    this.#options = options
    this.#log = options.log
    this.#port = options.config.PORT
  }

  /** Resolves when all of them listen, and rejects with a StartError where one of them cannot start. */
  static async start(options: WorkersOptions): Promise<Workers> {
    cluster.setupPrimary({ exec: WORKER, args: [] })
    const workers = new Workers(options)
    try {
      await workers.#open()
      return workers
    } catch (error) {
      workers.#stop.abort()
      workers.#kill()
      await workers.#allEnded
      throw error
    }
  }

  get url(): string {
    if (this.#url === undefined) throw new Error('no worker listens yet')
    return this.#url
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#stop.abort()
    // where somebody loses patience, this process ends at once, and workers must not go on draining
    process.once('exit', () => this.#kill())
    for (const worker of this.#running) worker.stop()
    const deadline = setTimeout(() => {
      this.#log.error(
        { workers: [...this.#running].map(({ pid }) => pid) },
        'killing workers that do not stop',
      )
      this.#kill()
    }, deadlineMs + STOP_GRACE_MS)
    await this.#allEnded
    clearTimeout(deadline)
  }

  #open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject }
      this.#allEnded = Promise.all(
        Array.from({ length: this.#options.config.WORKERS }, () => this.#keepOneRunning()),
      )
    })
  }

  async #keepOneRunning(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const nextStart = performance.now() + START_INTERVAL_MS
      try {
        await this.#runOne()
      } catch (error) {
        // no process could be made: the system lacks something
        this.#log.error({ err: error }, 'a worker cannot be started')
        this.#opening?.reject(new StartError([`a worker process cannot be started: ${messageOf(error)}`]))
      }
      await pause(Math.max(0, nextStart - performance.now()), undefined, { signal }).catch(() => undefined)
    }
  }

  /** From a worker's start to its end. */
  async #runOne(): Promise<void> {
    const { config, databaseUrl } = this.#options
    const worker = new WorkerProcess(
      { DATABASE_URL: databaseUrl, PORT: String(this.#port) },
      {
        listening: url => this.#onListening(worker, url),
        refused: problem => this.#onRefused(worker, problem),
        scrape: () => this.#scrape(),
      },
    )
    this.#running.add(worker)
    const end = await worker.ended
    this.#running.delete(worker)
    this.#endedCounts = this.#endedCounts.then(counts => countsOf([counts, worker.lastMetrics]))
    if (config.PORT === 0 && this.#url !== undefined && this.#listening() === 0) {
      this.#port = Number(new URL(this.#url).port)
    }
    if (!this.#stop.signal.aborted) this.#onEnd(worker, end)
  }

  #onListening(worker: WorkerProcess, url: string): void {
    this.#url ??= url
    if (url !== this.#url) {
      // it was told 0, and the last that had the port has died meanwhile
      this.#log.warn({ worker: worker.pid, url }, 'a worker listens where nobody looks for it')
      worker.kill()
      return
    }
    this.#log.debug({ worker: worker.pid }, 'a worker listens')
    if (this.#listening() === this.#options.config.WORKERS) this.#opening?.resolve()
  }

  #onRefused(worker: WorkerProcess, problem: string): void {
    if (this.#stop.signal.aborted) return
    this.#log.error({ worker: worker.pid, problem }, 'a worker cannot listen')
    this.#opening?.reject(new StartError([problem]))
  }

  /** A worker that somebody asked to end is no fault, be it by Ctrl-C while it starts. */
  #onEnd({ pid }: WorkerProcess, { code, signal, error }: WorkerEnd): void {
    const end = { worker: pid, code, signal, ...(error === undefined ? {} : { err: error }) }
    if (code === 0 || signal === 'SIGTERM' || signal === 'SIGINT') {
      this.#log.warn(end, 'a worker ended; another takes its place')
      return
    }
    this.#log.error(end, 'a worker died; another takes its place')
    const how = error === undefined ? (signal ?? `exit code ${code}`) : messageOf(error)
    this.#opening?.reject(new StartError([`a worker process died while it started: ${how}`]))
  }

  #listening(): number {
    return [...this.#running].filter(({ isListening }) => isListening).length
  }

  async #scrape(): Promise<string | undefined> {
    try {
      const asked = [...this.#running].map(worker => worker.refreshMetrics())
      const [own] = await Promise.all([snapshotOf(this.#options.metrics), ...asked])
      // with nothing in between, so that a worker that ends is in one of the two and not in both
      const ended = this.#endedCounts
      const told = [...this.#running].map(({ lastMetrics }) => lastMetrics)
      return await textOfAll([own, await ended, ...told])
    } catch (error) {
      this.#log.error({ err: error }, 'the metrics of all workers could not be summed')
      return undefined
    }
  }

  #kill(): void {
    for (const worker of this.#running) worker.kill()
  }
}
