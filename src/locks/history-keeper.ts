import { setTimeout as delay } from 'node:timers/promises'
import type { HistoryStore } from './history.ts'

/** Days are made three ahead, so nothing depends on the hour. */
const INTERVAL_MS = 10 * 60_000

/** After a failure: at the first start the schema may still be on its way. */
const RETRY_MS = 60_000

/** Between two steps, each of which may have held up others for a moment. */
const REST_MS = 1000

export interface HistoryKeeperEvents {
  failed(error: unknown): void
}

/** Does all there is to do now, and says how many steps it took. */
export async function keepHistory(
  store: Pick<HistoryStore, 'keep'>,
  days: number,
  signal?: AbortSignal,
): Promise<number> {
  let steps = 0
  while (signal?.aborted !== true && (await store.keep(days)) > 0) {
    steps += 1
    await delay(REST_MS, undefined, signal === undefined ? {} : { signal }).catch(() => {})
  }
  return steps
}

/**
 * Sees to it that the history has a place for the days to come, and that old days go. Safe on any number of replicas
 * at once; an event finds a place also where this has not run for long.
 */
export class HistoryKeeper {
  readonly #store: Pick<HistoryStore, 'keep'>
  readonly #days: number
  readonly #events: HistoryKeeperEvents
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(store: Pick<HistoryStore, 'keep'>, days: number, events: HistoryKeeperEvents) {
    this.#store = store
    this.#days = days
    this.#events = events
  }

  start(): void {
    this.#running = this.#keep()
  }

  /** Resolves when the step under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  async #keep(): Promise<void> {
    let pauseMs = INTERVAL_MS
    try {
      await keepHistory(this.#store, this.#days, this.#stop.signal)
    } catch (error) {
      this.#events.failed(error)
      pauseMs = RETRY_MS
    }
    if (this.#stop.signal.aborted) return
    this.#timer = setTimeout(() => this.start(), pauseMs * (0.75 + Math.random() / 2))
    this.#timer.unref()
  }
}
