import cluster, { type Worker } from 'node:cluster'
import type { MetricsSnapshot } from './http/metrics-sum.ts'
import { Questions } from './questions.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

/** A worker that does not tell its metrics within this time counts with those it told last. */
const METRICS_WAIT_MS = 2000

export interface WorkerEvents {
  listening(url: string): void
  /** It cannot listen, and will end. */
  refused(problem: string): void
  /** Gives the metrics of all processes; undefined where they cannot be had. */
  scrape(): Promise<string | undefined>
}

export interface WorkerEnd {
  readonly code: number | null
  readonly signal: string | null
  /** Why it could not even be started. */
  readonly error?: Error
}

/** A worker as the first process sees it. */
export class WorkerProcess {
  readonly ended: Promise<WorkerEnd>
  readonly #worker: Worker
  readonly #questions = new Questions<MetricsSnapshot>()
  #isListening = false
  #lastMetrics: MetricsSnapshot = []

  /** Starts it. */
  constructor(environment: Readonly<Record<string, string>>, events: WorkerEvents) {
    this.#worker = cluster.fork(environment)
    this.ended = new Promise(resolve => {
      // with its exit alone, the last that it said might not have been read. Node does not tell of the end of a
      // channel in which a connection was on its way to the worker, so that cannot be waited for
      this.#worker.process.once('close', (code, signal) => resolve({ code, signal }))
      // without a process there is no end either; of a process that runs, this is a message that did not arrive
      this.#worker.on('error', error => {
        if (this.pid === undefined) resolve({ code: null, signal: null, error })
      })
    })
    void this.ended.then(() => this.#leave())
    this.#worker.once('disconnect', () => this.#leave())
    this.#worker.on('message', (message: FromWorker) => this.#receive(message, events))
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  get isListening(): boolean {
    return this.#isListening
  }

  /** As it told them last; empty before that. */
  get lastMetrics(): MetricsSnapshot {
    return this.#lastMetrics
  }

  /** Resolves when it has told its metrics, or will not. */
  async refreshMetrics(): Promise<void> {
    if (!this.#isListening) return
    await this.#questions.ask(METRICS_WAIT_MS, id => this.#tell({ kind: 'collect', id }))
  }

  /** Lets it answer what is under way and end. */
  stop(): void {
    this.#tell({ kind: 'stop' })
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  /** Nothing more can be asked of it. */
  #leave(): void {
    this.#isListening = false
    this.#questions.giveUp()
  }

  #receive(message: FromWorker, events: WorkerEvents): void {
    switch (message.kind) {
      case 'listening':
        this.#isListening = true
        events.listening(message.url)
        return
      case 'refused':
        events.refused(message.problem)
        return
      case 'scrape':
        void events.scrape().then(text => this.#tell({ kind: 'scraped', id: message.id, text }))
        return
      case 'metrics':
        this.#lastMetrics = message.metrics
        if (message.id !== undefined) this.#questions.answer(message.id, message.metrics)
    }
  }

  #tell(message: ToWorker): void {
    // one that is ending does not listen any more, which its end tells
    this.#worker.send(message, () => {})
  }
}
