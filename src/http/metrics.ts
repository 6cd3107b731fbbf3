import { setTimeout as delay } from 'node:timers/promises'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { AcquireOutcome } from '../locks/acquire.ts'

/** From an answer out of memory to the statement time-out. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How long a gauge may take, in ms. Other processes wait longer for all metrics of this one. */
const GAUGE_TIMEOUT_MS = 2000

/** `existing`: granted, but nothing was new. */
export type AcquireResult = Exclude<AcquireOutcome['kind'], 'granted'> | 'granted' | 'existing'

type Series = ReturnType<Histogram['labels']>

/** The service's own registry: nothing is shared between two services in one process. */
export class Metrics {
  readonly registry = new Registry()
  readonly #requests: Histogram<'method' | 'route' | 'status'>
  readonly #acquires: Counter<'outcome'>
  readonly #requestSeries = new Map<string, Series>()
  readonly #gaugeTimeoutMs: number

  constructor(gaugeTimeoutMs = GAUGE_TIMEOUT_MS) {
    this.#gaugeTimeoutMs = gaugeTimeoutMs
    // brings the event loop's delay too
    collectDefaultMetrics({ register: this.registry })
    this.#requests = new Histogram({
      name: 'leasehold_http_request_duration_seconds',
      help: 'Time from the head of a request to the end of its answer, by route pattern',
      labelNames: ['method', 'route', 'status'],
      buckets: DURATION_BUCKETS,
      registers: [this.registry],
    })
    this.#acquires = new Counter({
      name: 'leasehold_acquires_total',
      help: 'Acquires by what they came to',
      labelNames: ['outcome'],
      registers: [this.registry],
    })
  }

  /** `status` 499: the client went away before its answer. */
  countRequest(method: string, route: string, status: number, durationSeconds: number): void {
    const key = `${method} ${status} ${route}`
    let series = this.#requestSeries.get(key)
    if (series === undefined) {
      series = this.#requests.labels({ method, route, status: String(status) })
      this.#requestSeries.set(key, series)
    }
    series.observe(durationSeconds)
  }

  countAcquire(outcome: AcquireResult): void {
    this.#acquires.inc({ outcome })
  }

  /**
   * Registers a number that is asked for at every scrape. Where asking fails or takes too long, the series is left out: an
   * absent number is honest, and the scrape goes on.
   */
  gauge(name: string, help: string, collect: () => number | Promise<number>): void {
    const timeoutMs = this.#gaugeTimeoutMs
    new Gauge({
      name,
      help,
      registers: [this.registry],
      async collect() {
        try {
          this.set(await inTime(timeoutMs, collect))
        } catch {
          this.remove()
        }
      },
    })
  }

  counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] })
  }

  histogram<Label extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    return new Histogram({
      name,
      help,
      buckets: [...buckets],
      labelNames: [...labelNames],
      registers: [this.registry],
    })
  }
}

async function inTime(ms: number, collect: () => number | Promise<number>): Promise<number> {
  const ended = new AbortController()
  const late = delay(ms, undefined, { signal: ended.signal }).then(() => {
    throw new Error('took too long')
  })
  try {
    return await Promise.race([(async () => collect())(), late])
  } finally {
    ended.abort()
  }
}
