import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { ApiKeyRepository } from './database/api-key-repository.ts'
import { Database } from './database/database.ts'
import { LockRepository } from './database/lock-repository.ts'
import { migrateUp } from './database/migrations/migrate.ts'
import { databaseProblem, Readiness } from './database/readiness.ts'
import { SessionRepository } from './database/session-repository.ts'
import { createApp } from './http/app.ts'
import { Metrics } from './http/metrics.ts'
import { HttpServer } from './http/server.ts'
import { KeyService } from './locks/key-service.ts'
import { LockService } from './locks/lock-service.ts'
import { SessionService } from './locks/session-service.ts'
import { Sweeper } from './locks/sweeper.ts'
import { type DatabaseServer, findDatabaseServer, poolSettings } from './service-database.ts'
import { observe, ServiceMetrics } from './service-metrics.ts'

/** Everything that keeps the service from starting, one problem a line. */
export class StartError extends Error {
  override readonly name = 'StartError'

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
  }
}

/** How often a service that is not ready looks again. */
const RECHECK_MS = 1000

/** The whole house, wired. */
export class Service {
  readonly url: string
  readonly databaseDescription: string
  /** Where files of the embedded PostgreSQL are; undefined with a server of the operator's. */
  readonly embeddedDataDir: string | undefined
  /** A key that was made up by this start; resolves once the database is ready for one, or the service stops. */
  readonly firstKey: Promise<string | undefined>
  readonly #parts: Parts

  private constructor(parts: Parts, url: string, server: DatabaseServer, config: Config) {
    this.#parts = parts
    this.url = url
    this.databaseDescription = server.description
    this.embeddedDataDir = server.embedded === undefined ? undefined : config.DATA_DIR
    this.firstKey = parts.firstKey()
  }

  /** Resolves when the service listens, and rejects with a StartError that names every problem. */
  static async start(config: Config, log: Logger): Promise<Service> {
    let server: DatabaseServer
    try {
      server = await findDatabaseServer(config, event => log.info(event, 'embedded database'))
    } catch (error) {
      throw new StartError([messageOf(error), ...(await portProblems(config))])
    }
    const parts = new Parts(config, server, log)
    try {
      await parts.prepareDatabase()
      const url = await parts.listen()
      log.info({ url }, 'listening')
      return new Service(parts, url, server, config)
    } catch (error) {
      await parts.stop(0)
      await server.release()
      if (error instanceof StartError) throw error
      throw new StartError([messageOf(error)])
    }
  }

  get isStopping(): boolean {
    return this.#parts.isStopping
  }

  /**
   * Answers what is under way, then lets go of everything in the order of need. Locks stay held: they belong to
   * their sessions, not to this process.
   */
  stop(): Promise<void> {
    return this.#parts.stop(this.#parts.config.DRAIN_TIMEOUT_MS)
  }
}

/** What a running service consists of. */
class Parts {
  readonly config: Config
  readonly #server: DatabaseServer
  readonly #log: Logger
  readonly #database: Database
  readonly #readiness: Readiness
  readonly #keys: KeyService
  readonly #sweeper: Sweeper
  readonly #http: HttpServer
  readonly #stop = new AbortController()
  #stopped: Promise<void> | undefined

  constructor(config: Config, server: DatabaseServer, log: Logger) {
    this.config = config
    this.#server = server
    this.#log = log
    this.#database = new Database(
      poolSettings(config, server.url, error =>
        log.warn({ err: error }, 'an idle database connection broke'),
      ),
      config.DATABASE_SCHEMA,
    )
    this.#readiness = new Readiness(this.#database, config.ALLOW_UNSAFE_DATABASE)
    const metrics = new Metrics()
    const serviceMetrics = new ServiceMetrics(metrics)
    const locks = new LockRepository(this.#database, { retried: why => serviceMetrics.retried(why) })
    const sessions = new SessionRepository(this.#database, config.TOMBSTONE_SECONDS)
    observe(metrics, this.#database, locks, sessions)
    this.#keys = new KeyService(new ApiKeyRepository(this.#database), config.KEY_CACHE_SECONDS)
    this.#sweeper = new Sweeper(sessions, config.SWEEP_INTERVAL_MS, {
      swept: (count, durationSeconds) => {
        serviceMetrics.swept(count, durationSeconds)
        if (count.sessions > 0) log.info(count, 'swept expired sessions')
      },
      failed: error => {
        serviceMetrics.sweepFailed()
        log.warn({ err: error }, 'a sweep failed; the next one goes on')
      },
    })
    const app = createApp({
      locks: new LockService(locks, event => log.warn(event, event.event)),
      sessions: new SessionService(sessions),
      keys: this.#keys,
      readiness: () => this.#readiness.problems(),
      metrics,
      log,
      publicMetrics: config.PUBLIC_METRICS,
      isDraining: () => this.#http.isDraining,
    })
    this.#http = new HttpServer(app.callback())
  }

  /** A database that can be reached, and, where it is our own, one with the newest schema. */
  async prepareDatabase(): Promise<void> {
    const { config } = this
    try {
      if (this.#server.embedded !== undefined) {
        await migrateUp({
          url: this.#server.url,
          schema: config.DATABASE_SCHEMA,
          log: line => this.#log.info(line),
        })
      }
      await this.#database.run('select 1', [])
    } catch (error) {
      // without a cause it is our own verdict on the server's settings: not ready, but no reason to give up
      if (error instanceof Error && error.cause === undefined && this.#server.embedded === undefined) return
      const where = this.#server.embedded === undefined ? 'DATABASE_URL: ' : ''
      throw new StartError([`${where}${databaseProblem(error)}`, ...(await portProblems(config))])
    }
  }

  async listen(): Promise<string> {
    const { HOST, PORT } = this.config
    try {
      const { host, port } = await this.#http.listen({ host: HOST, port: PORT })
      this.#sweeper.start()
      return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
    } catch (error) {
      throw new StartError([listenProblem(error, HOST, PORT)])
    }
  }

  /** Waits until the schema is there, since a migration may still be on its way, then makes sure of a key. */
  async firstKey(): Promise<string | undefined> {
    let said = ''
    while (!this.isStopping) {
      const problems = await this.#readiness.problems()
      if (problems.length === 0) {
        try {
          return await this.#keys.ensureFirst(this.config.BOOTSTRAP_KEY)
        } catch (error) {
          this.#log.warn({ err: error }, 'the first key could not be made; trying again')
        }
      } else if (problems.join() !== said) {
        said = problems.join()
        this.#log.warn({ problems }, 'not ready')
      }
      await pause(RECHECK_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined)
    }
    return undefined
  }

  get isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  stop(drainTimeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stopInOrder(drainTimeoutMs)
    return this.#stopped
  }

  async #stopInOrder(drainTimeoutMs: number): Promise<void> {
    this.#stop.abort()
    await this.#http.drain(drainTimeoutMs)
    await this.#sweeper.stop()
    await this.#database.close()
    await this.#server.release()
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function listenProblem(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') {
    return `PORT: ${port} on ${host} is in use by another program; stop it or set PORT to another number`
  }
  if (code === 'EACCES') return `PORT: no permission to listen on ${port}; choose one above 1023`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `HOST: ${host} is not an address of this machine`
  return `cannot listen on ${host}:${port}: ${messageOf(error)}`
}

/** Asked when something else is wrong already, so that one message names everything. */
async function portProblems({ HOST, PORT }: Config): Promise<readonly string[]> {
  const probe = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject)
      probe.listen({ host: HOST, port: PORT }, resolve)
    })
    return []
  } catch (error) {
    return [listenProblem(error, HOST, PORT)]
  } finally {
    if (probe.listening) await new Promise(resolve => probe.close(resolve))
  }
}
