import { LRUCache } from 'lru-cache'

/** Names remembered at once; an entry is some 150 bytes. One that falls out begins anew, with its whole burst. */
const MAX_NAMES = 10_000

export interface Rate {
  readonly perSecond: number
  /** How many may come at once after a pause. */
  readonly burst: number
}

/**
 * A token bucket for each name. What is kept is one number a name, the time at which its bucket will be full again
 * (the generic cell rate algorithm), so nothing has to be refilled by a timer. Of this process alone.
 */
export class RateLimiter {
  readonly #intervalMs: number
  readonly #burstMs: number
  readonly #now: () => number
  readonly #buckets = new LRUCache<string, { fullAt: number }>({ max: MAX_NAMES })

  /** `now`: milliseconds of a clock that never goes back. */
  constructor({ perSecond, burst }: Rate, now = () => performance.now()) {
    this.#intervalMs = 1000 / perSecond
    this.#burstMs = this.#intervalMs * burst
    this.#now = now
  }

  /** Takes one. 0: it was there; else nothing was taken, and the answer is the milliseconds until there is one. */
  take(name: string): number {
    const now = this.#now()
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) {
      this.#buckets.set(name, { fullAt: now + this.#intervalMs })
      return 0
    }
    const fullAt = Math.max(bucket.fullAt, now) + this.#intervalMs
    const waitMs = fullAt - now - this.#burstMs
    // sums of fractions of a millisecond must not make the last one of a burst too many
    if (waitMs > 1e-6) return waitMs
    bucket.fullAt = fullAt
    return 0
  }

  /** Puts one back that was taken. */
  giveBack(name: string): void {
    const bucket = this.#buckets.peek(name)
    if (bucket !== undefined) bucket.fullAt -= this.#intervalMs
  }
}
