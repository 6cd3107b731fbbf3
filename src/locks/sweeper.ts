import { setTimeout as delay } from 'node:timers/promises'
import { DatabaseTrouble } from './errors.ts'
import type { SessionStore, SweepCount, SweepStep } from './session-store.ts'
import { FIRST_BATCH, nextBatch, pauseMs } from './sweep-pace.ts'

/**
 * Sessions with thousands of locks can make a batch longer than the statement time-out. A smaller one gets
 * through; without it the same batch would fail for ever, and nothing behind it would be swept.
 */
const SMALLER = 4

export interface SweeperEvents {
  swept(count: SweepCount, durationSeconds: number): void
  failed(error: unknown): void
}

export interface SweepOptions {
  readonly progress?: (soFar: SweepCount) => void
  /** Ends the sweep after the step under way. */
  readonly signal?: AbortSignal
  /** Lets others work between two steps; ends early with the signal. */
  readonly rest?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Walks once through all sessions and says how much there was to sweep. */
export async function sweepAll(
  store: Pick<SessionStore, 'sweep'>,
  { progress = () => {}, signal = new AbortController().signal, rest = sleep }: SweepOptions = {},
): Promise<SweepCount> {
  let total: SweepCount = { sessions: 0, tombstones: 0 }
  let batch = FIRST_BATCH
  let place: string | null = null
  while (!signal.aborted) {
    const started = performance.now()
    let step: SweepStep
    try {
      step = await store.sweep(batch, place)
    } catch (error) {
      if (batch === 1 || !isTooSlow(error)) throw error
      batch = Math.ceil(batch / SMALLER)
      continue
    }
    const tookMs = performance.now() - started
    total = {
      sessions: total.sessions + step.sessions,
      tombstones: total.tombstones + step.tombstones,
    }
    progress(total)
    place = step.next
    if (place === null) break
    batch = nextBatch(batch, step.sessions + step.tombstones, tookMs)
    await rest(pauseMs(tookMs), signal)
  }
  return total
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(error => {
    if (!signal.aborted) throw error
  })
}

function isTooSlow(error: unknown): boolean {
  return error instanceof DatabaseTrouble && error.code === 'database_timeout'
}

/**
 * Tidies on a schedule. Nothing but tidiness depends on it: an expired session is dead to every statement
 * whether or not it was swept. Safe on any number of replicas at once; the jitter keeps them apart.
 */
export class Sweeper {
  readonly #store: Pick<SessionStore, 'sweep'>
  readonly #intervalMs: number
  readonly #events: SweeperEvents
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stop = new AbortController()

  constructor(store: Pick<SessionStore, 'sweep'>, intervalMs: number, events: SweeperEvents) {
    this.#store = store
    this.#intervalMs = intervalMs
    this.#events = events
  }

  start(): void {
    this.#stop = new AbortController()
    this.#schedule()
  }

  /** Resolves when the step under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  #schedule(): void {
    const jitter = 0.75 + Math.random() / 2
    this.#timer = setTimeout(() => {
      this.#running = this.#sweep().finally(() => {
        if (!this.#stop.signal.aborted) this.#schedule()
      })
    }, this.#intervalMs * jitter)
    this.#timer.unref()
  }

  async #sweep(): Promise<void> {
    const started = performance.now()
    try {
      const count = await sweepAll(this.#store, { signal: this.#stop.signal })
      this.#events.swept(count, (performance.now() - started) / 1000)
    } catch (error) {
      this.#events.failed(error)
    }
  }
}
