import { setTimeout as pause } from 'node:timers/promises'
import { Histogram } from './histogram.ts'

/** How long the operations of a load took that ended while its window was open, by their kinds. */
export type Durations = ReadonlyMap<string, Histogram>

/** Clients that are at work, each with one request under way. */
export interface Load {
  /** Never resolves before the stop; rejects at the first answer that is not as it should be. */
  readonly running: Promise<unknown>
  /** A process that makes the requests, where it is not this one. */
  readonly generatorPid?: number
  openWindow(): void
  closeWindow(): void
  /** Ends the clients and tells what they measured. */
  stop(): Promise<Durations>
}

/** Counts what ends while its window is open. */
export class Recorder {
  readonly #durations = new Map<string, Histogram>()
  #open = false

  get durations(): Durations {
    return this.#durations
  }

  /** What records an operation of this kind that began at a time of `performance.now()` and ends now. */
  kind(name: string): (startedMs: number) => void {
    const histogram = this.#durations.get(name) ?? new Histogram()
    this.#durations.set(name, histogram)
    return startedMs => {
      if (this.#open) histogram.record(performance.now() - startedMs)
    }
  }

  openWindow(): void {
    for (const histogram of this.#durations.values()) histogram.clear()
    this.#open = true
  }

  closeWindow(): void {
    this.#open = false
  }
}

/** One client: does its operation, and records it, each time it is called. */
export interface Client {
  work(): Promise<void>
  close(): void
}

/** How long the last requests may take before their connections are cut. */
const LAST_ANSWERS_MS = 10_000

/** A closed loop for each client: the next request goes out when the last one was answered. */
export class ClosedLoops implements Load {
  readonly running: Promise<unknown>
  readonly #clients: readonly Client[]
  readonly #recorder: Recorder
  #stopping = false

  constructor(clients: readonly Client[], recorder: Recorder) {
    this.#clients = clients
    this.#recorder = recorder
    this.running = Promise.all(clients.map(client => this.#loop(client)))
    // whoever waits for it hears of a failure; it must not end the process before
    this.running.catch(() => {})
  }

  /** Makes clients one after the other, and closes those that were made where one cannot be. */
  static async start(
    count: number,
    make: (index: number, recorder: Recorder) => Promise<Client>,
  ): Promise<ClosedLoops> {
    const recorder = new Recorder()
    const clients: Client[] = []
    try {
      for (let index = 0; index < count; index += 1) clients.push(await make(index, recorder))
    } catch (error) {
      for (const client of clients) client.close()
      throw error
    }
    return new ClosedLoops(clients, recorder)
  }

  openWindow(): void {
    this.#recorder.openWindow()
  }

  closeWindow(): void {
    this.#recorder.closeWindow()
  }

  async stop(): Promise<Durations> {
    this.#stopping = true
    const enough = new AbortController()
    const patience = pause(LAST_ANSWERS_MS, undefined, { signal: enough.signal }).catch(() => {})
    await Promise.race([this.running.catch(() => {}), patience])
    enough.abort()
    for (const client of this.#clients) client.close()
    return this.#recorder.durations
  }

  async #loop(client: Client): Promise<void> {
    while (!this.#stopping) await client.work()
  }
}
