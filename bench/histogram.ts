/** No quantile is further than this from the true one, as a share of it. */
const RELATIVE_ERROR = 0.01
/** Each bucket's upper bound is so many times its lower one; its middle is then within the error of both. */
const GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
const LOG_GROWTH = Math.log(GROWTH)
const MICROSECONDS_PER_MS = 1000
/** Shorter than a microsecond counts as one, longer than 20 minutes as those. */
const LONGEST_MICROSECONDS = 1.2e9
const BUCKETS = Math.ceil(Math.log(LONGEST_MICROSECONDS) / LOG_GROWTH) + 1

/**
 * Durations in buckets whose bounds grow by 2 %, from a microsecond to 20 minutes: every duration is counted, in
 * 8 kB however many there are. Count, mean and maximum are exact, quantiles within 1 %.
 */
export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS)
  #count = 0
  #sumMs = 0
  #maxMs = 0

  get count(): number {
    return this.#count
  }

  /** Not a number where nothing was recorded, as the quantiles. */
  get meanMs(): number {
    return this.#sumMs / this.#count
  }

  get maxMs(): number {
    return this.#maxMs
  }

  record(ms: number): void {
    const microseconds = Math.min(Math.max(ms * MICROSECONDS_PER_MS, 1), LONGEST_MICROSECONDS)
    const bucket = Math.ceil(Math.log(microseconds) / LOG_GROWTH)
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#count += 1
    this.#sumMs += ms
    if (ms > this.#maxMs) this.#maxMs = ms
  }

  /** The duration that the share `q` of all durations, from 0 to 1, does not exceed. */
  quantileMs(q: number): number {
    if (this.#count === 0) return Number.NaN
    const rank = Math.max(1, Math.ceil(q * this.#count))
    let seen = 0
    for (const [bucket, count] of this.#buckets.entries()) {
      seen += count
      if (seen >= rank) return (2 * GROWTH ** bucket) / (GROWTH + 1) / MICROSECONDS_PER_MS
    }
    return this.#maxMs
  }

  add(other: Histogram): void {
    for (const [bucket, count] of other.#buckets.entries()) {
      this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + count
    }
    this.#count += other.#count
    this.#sumMs += other.#sumMs
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs)
  }

  clear(): void {
    this.#buckets.fill(0)
    this.#count = 0
    this.#sumMs = 0
    this.#maxMs = 0
  }
}
