import { Counter, Histogram } from 'prom-client'
import type { Database } from './database/database.ts'
import type { Metrics } from './http/metrics.ts'
import type { LockStore } from './locks/lock-store.ts'
import type { SessionStore, SweepCount } from './locks/session-store.ts'

/** What the rest of the house has to count, beside the requests. */
export class ServiceMetrics {
  readonly #retries: Counter<'why'>
  readonly #swept: Counter<'what'>
  readonly #sweepFailures: Counter
  readonly #sweepDuration: Histogram
  readonly #refusedConnections: Counter<'limit'>

  constructor(metrics: Metrics) {
    const registers = [metrics.registry]
    this.#retries = new Counter({
      name: 'leasehold_acquire_retries_total',
      help: 'Acquires that were sent to the database once more, by why',
      labelNames: ['why'],
      registers,
    })
    this.#swept = new Counter({
      name: 'leasehold_swept_total',
      help: 'Rows that the sweeper of this process cleared away: expired sessions and tombstones',
      labelNames: ['what'],
      registers,
    })
    this.#sweepFailures = new Counter({
      name: 'leasehold_sweep_failures_total',
      help: 'Sweeps that the database did not let end',
      registers,
    })
    this.#sweepDuration = new Histogram({
      name: 'leasehold_sweep_duration_seconds',
      help: 'Time of a sweep, its rests included',
      buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600],
      registers,
    })
    this.#refusedConnections = new Counter({
      name: 'leasehold_http_connections_refused_total',
      help: 'Connections of clients that were closed at once, by the limit that they were past',
      labelNames: ['limit'],
      registers,
    })
  }

  retried(why: string): void {
    this.#retries.inc({ why })
  }

  swept(count: SweepCount, durationSeconds: number): void {
    this.#swept.inc({ what: 'session' }, count.sessions)
    this.#swept.inc({ what: 'tombstone' }, count.tombstones)
    this.#sweepDuration.observe(durationSeconds)
  }

  sweepFailed(): void {
    this.#sweepFailures.inc()
  }

  connectionRefused(limit: string): void {
    this.#refusedConnections.inc({ limit })
  }
}

/** Numbers that the database is asked for at each scrape. Of many processes one asks: sums of these are nonsense. */
export function observeDatabase(
  metrics: Metrics,
  locks: Pick<LockStore, 'count'>,
  sessions: Pick<SessionStore, 'count'>,
): void {
  metrics.gauge('leasehold_locks_held', 'Live locks in the whole database', () => locks.count())
  metrics.gauge('leasehold_sessions_live', 'Live sessions in the whole database', () => sessions.count())
}

/** Numbers of this process that are looked at at each scrape. */
export function observeConnections(
  metrics: Metrics,
  database: Database,
  openConnections: () => number,
): void {
  metrics.gauge(
    'leasehold_database_connections',
    'Connections of this process to PostgreSQL',
    () => database.connections.total,
  )
  metrics.gauge(
    'leasehold_database_connections_idle',
    'Connections of this process that nobody uses now',
    () => database.connections.idle,
  )
  metrics.gauge(
    'leasehold_database_connections_awaited',
    'Requests of this process that wait for a connection',
    () => database.connections.waiting,
  )
  metrics.gauge('leasehold_http_connections', 'Connections of clients to this process', openConnections)
}
