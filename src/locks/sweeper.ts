import { DatabaseTrouble } from './errors.ts'
import type { SessionStore, SweepCount } from './session-store.ts'

/**
 * Sessions ended by one statement. Small enough that the rows it locks are free again in some ten
 * milliseconds, and that a killed sweep loses little.
 */
const BATCH_SIZE = 500

/**
 * Sessions with thousands of locks can make a batch longer than the statement time-out. A smaller one gets
 * through; without it the same batch would fail for ever, and nothing behind it would be swept.
 */
const SMALLER = 4

export interface SweeperEvents {
  swept(count: SweepCount, durationSeconds: number): void
  failed(error: unknown): void
}

/** Sweeps until nothing is left and says how much there was. */
export async function sweepAll(
  store: Pick<SessionStore, 'sweep'>,
  progress: (soFar: SweepCount) => void = () => {},
  goOn: () => boolean = () => true,
): Promise<SweepCount> {
  let total: SweepCount = { sessions: 0, tombstones: 0 }
  let limit = BATCH_SIZE
  while (goOn()) {
    let batch: SweepCount
    try {
      batch = await store.sweep(limit)
    } catch (error) {
      if (limit === 1 || !isTooSlow(error)) throw error
      limit = Math.ceil(limit / SMALLER)
      continue
    }
    total = {
      sessions: total.sessions + batch.sessions,
      tombstones: total.tombstones + batch.tombstones,
    }
    progress(total)
    if (batch.sessions < limit && batch.tombstones < limit) break
  }
  return total
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
  #stopped = true

  constructor(store: Pick<SessionStore, 'sweep'>, intervalMs: number, events: SweeperEvents) {
    this.#store = store
    this.#intervalMs = intervalMs
    this.#events = events
  }

  start(): void {
    this.#stopped = false
    this.#schedule()
  }

  /** Resolves when the batch under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #schedule(): void {
    const jitter = 0.75 + Math.random() / 2
    this.#timer = setTimeout(() => {
      this.#running = this.#sweep().finally(() => {
        if (!this.#stopped) this.#schedule()
      })
    }, this.#intervalMs * jitter)
    this.#timer.unref()
  }

  async #sweep(): Promise<void> {
    const started = performance.now()
    try {
      const count = await sweepAll(this.#store, undefined, () => !this.#stopped)
      this.#events.swept(count, (performance.now() - started) / 1000)
    } catch (error) {
      this.#events.failed(error)
    }
  }
}
