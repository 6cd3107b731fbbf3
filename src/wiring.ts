import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { ApiKeyRepository } from './database/api-key-repository.ts'
import { CatalogueRepository } from './database/catalogue-repository.ts'
import { Database } from './database/database.ts'
import { HistoryRepository } from './database/history-repository.ts'
import { LockRepository } from './database/lock-repository.ts'
import { Readiness } from './database/readiness.ts'
import { SessionRepository } from './database/session-repository.ts'
import { SignInRepository } from './database/sign-in-repository.ts'
import { UserRepository } from './database/user-repository.ts'
import { dialectSettings } from './dialect-settings.ts'
import { createApp } from './http/app.ts'
import { Metrics } from './http/metrics.ts'
import { DEFAULT_HTTP_LIMITS, HttpServer } from './http/server.ts'
import { CatalogueService } from './locks/catalogue-service.ts'
import { FailedLookups } from './locks/failed-lookups.ts'
import { HistoryKeeper } from './locks/history-keeper.ts'
import { HistoryService } from './locks/history-service.ts'
import { KeyService } from './locks/key-service.ts'
import { LockService } from './locks/lock-service.ts'
import { RateLimiter } from './locks/rate-limiter.ts'
import { SessionService } from './locks/session-service.ts'
import { SignInService } from './locks/sign-in-service.ts'
import { Sweeper } from './locks/sweeper.ts'
import { UserService } from './locks/user-service.ts'
import { BACKGROUND_CONNECTIONS, BULK_CONNECTIONS, poolSettings } from './service-database.ts'
import { observeConnections, observeDatabase, ServiceMetrics } from './service-metrics.ts'

/** Requests of one key at once, in seconds of its rate; and unknown keys of one address, in seconds of theirs. */
const BURST_SECONDS = { key: 2, unknown: 10 }

/** What a service consists of; nothing of it runs yet. */
export interface Parts {
  /** Requests have this pool to themselves. */
  readonly database: Database
  /** For probes, the sweeper and gauges: however busy the requests are, these still get through. */
  readonly background: Database
  /** For changes of catalogues, large sets and ends of large sessions, which take long: they never hold up other locks. */
  readonly bulk: Database
  readonly readiness: Readiness
  readonly keys: KeyService
  readonly sweeper: Sweeper
  readonly metrics: Metrics
  readonly historyKeeper: HistoryKeeper
  readonly http: HttpServer
}

/**
 * Puts the house together. The one place where its parts are made. A worker brings `scrape`, which gives the metrics
 * of all processes; what is the same for all of them is then left to the first one.
 */
export function wire(
  config: Config,
  databaseUrl: string,
  log: Logger,
  scrape?: () => Promise<string>,
): Parts {
  const settings = poolSettings(config, databaseUrl, error =>
    log.warn({ err: error }, 'an idle database connection broke'),
  )
  const database = new Database(settings, config.DATABASE_SCHEMA)
  const background = new Database({ ...settings, max: BACKGROUND_CONNECTIONS }, config.DATABASE_SCHEMA)
  const bulk = new Database(
    { ...settings, max: BULK_CONNECTIONS, statementTimeoutMs: config.DATABASE_BULK_TIMEOUT_MS },
    config.DATABASE_SCHEMA,
  )
  const batching = { maxBatch: config.BATCH_SIZE, maxInFlight: config.BATCH_CONCURRENCY }
  const metrics = new Metrics()
  const serviceMetrics = new ServiceMetrics(metrics)
  const events = { retried: (why: string) => serviceMetrics.retried(why) }
  const backgroundSessions = new SessionRepository(background, config.TOMBSTONE_SECONDS, { bulk })
  observeConnections(metrics, database, () => http.openConnections)
  if (scrape === undefined) {
    observeDatabase(metrics, new LockRepository(background, events), backgroundSessions)
  }
  const readiness = new Readiness(background, config.ALLOW_UNSAFE_DATABASE)
  const failedLookups = failedLookupsOf(config)
  const keys = new KeyService(new ApiKeyRepository(database), config.KEY_CACHE_SECONDS, failedLookups)
  const sweeper = new Sweeper(backgroundSessions, config.SWEEP_INTERVAL_MS, {
    swept(count, durationSeconds) {
      serviceMetrics.swept(count, durationSeconds)
      if (count.sessions > 0) log.info(count, 'swept expired sessions')
    },
    failed(error) {
      serviceMetrics.sweepFailed()
      log.warn({ err: error }, 'a sweep failed; the next one goes on')
    },
  })
  const historyKeeper = new HistoryKeeper(new HistoryRepository(background), config.HISTORY_DAYS, {
    failed: error =>
      log.warn({ err: error }, 'the days of the history could not be seen to; tried again soon'),
  })
  const sessions = new SessionRepository(database, config.TOMBSTONE_SECONDS, { bulk, batching })
  const app = createApp({
    locks: new LockService(new LockRepository(database, events, { bulk, batching }), event =>
      log.warn(event, event.event),
    ),
    sessions: new SessionService(sessions),
    catalogue: new CatalogueService(new CatalogueRepository(database, bulk)),
    history: new HistoryService(new HistoryRepository(database)),
    keys,
    signIns: new SignInService(new SignInRepository(database, bulk), sessions, keys, failedLookups),
    users: new UserService(new UserRepository(database)),
    dialects: dialectSettings(config),
    readiness: () => readiness.problems(),
    metrics,
    ...(scrape === undefined ? {} : { scrape }),
    log,
    keyRates: keyRatesOf(config),
    publicMetrics: config.PUBLIC_METRICS,
    isDraining: () => http.isDraining,
  })
  const limits = {
    ...DEFAULT_HTTP_LIMITS,
    maxConnections: config.MAX_CONNECTIONS,
    maxConnectionsPerClient: config.MAX_CONNECTIONS_PER_CLIENT,
  }
  const http = new HttpServer(
    app.callback(),
    limits,
    limit => serviceMetrics.connectionRefused(limit),
    (error, count) => log.warn({ err: error, count }, 'connections of clients could not be taken'),
  )
  return { database, background, bulk, readiness, keys, sweeper, historyKeeper, metrics, http }
}

/** Ends what is done in the background and closes the connections. Requests have to be answered by then. */
export async function closeParts({
  database,
  background,
  bulk,
  sweeper,
  historyKeeper,
}: Parts): Promise<void> {
  await Promise.all([sweeper.stop(), historyKeeper.stop()])
  await Promise.all([database.close(), background.close(), bulk.close()])
}

function keyRatesOf({ RATE_LIMIT_PER_SECOND: perSecond }: Config): RateLimiter | undefined {
  return perSecond === 0 ? undefined : new RateLimiter({ perSecond, burst: perSecond * BURST_SECONDS.key })
}

function failedLookupsOf({ UNKNOWN_KEYS_PER_SECOND: perSecond }: Config): FailedLookups | undefined {
  return perSecond === 0
    ? undefined
    : new FailedLookups({ perSecond, burst: perSecond * BURST_SECONDS.unknown })
}
