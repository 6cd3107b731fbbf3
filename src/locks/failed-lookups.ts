import { LRUCache } from 'lru-cache'
import { Refusal } from './errors.ts'
import { type Rate, RateLimiter } from './rate-limiter.ts'

/** Keys and sign-ins remembered as good, and for how long after they were last found; an entry is some 150 bytes. */
const REMEMBERED = { max: 20_000, ttl: 3_600_000 }

/**
 * Bounds the queries that keys and sign-ins cost which nobody knows, by where they come from: a flood of made-up ones
 * would take every connection to the database. What was good within the last hour is let through whatever the flood, so
 * that clients which share an address with it are served.
 */
export class FailedLookups {
  readonly #limiter: RateLimiter
  readonly #good = new LRUCache<string, true>(REMEMBERED)

  constructor(rate: Rate, now?: () => number) {
    this.#limiter = new RateLimiter(rate, now)
  }

  /**
   * Does a look-up, or refuses it as `rate_limited` where too many of the same origin have failed. `names`: of what is
   * looked up, hashes; the answer has one element for each. It failed where none of them was found.
   */
  async guard<T>(
    origin: string,
    names: readonly string[],
    lookUp: () => Promise<readonly (T | undefined)[]>,
  ): Promise<readonly (T | undefined)[]> {
    const isTrusted = names.some(name => this.#good.has(name))
    // taken ahead and given back: a thousand at once would all find that none has failed yet
    if (!isTrusted) this.#take(origin)
    let found: readonly (T | undefined)[]
    try {
      found = await lookUp()
    } catch (error) {
      // the database's fault and not the caller's
      if (!isTrusted) this.#limiter.giveBack(origin)
      throw error
    }
    const good = names.filter((_, index) => found[index] !== undefined)
    for (const name of good) this.#good.set(name, true)
    if (good.length > 0 && !isTrusted) this.#limiter.giveBack(origin)
    return found
  }

  #take(origin: string): void {
    const waitMs = this.#limiter.take(origin)
    if (waitMs === 0) return
    throw new Refusal(
      'rate_limited',
      'too many requests from this address showed keys or sign-ins that are not known to be in force',
      { retryAfterSeconds: waitMs / 1000 },
    )
  }
}
