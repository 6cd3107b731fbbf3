import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { migrateUp } from './database/migrations/migrate.ts'
import { databaseProblem } from './database/readiness.ts'
import { type Front, listen } from './front.ts'
import { type DatabaseServer, findDatabaseServer } from './service-database.ts'
import { messageOf, portProblems, StartError } from './start-problems.ts'
import { closeParts, type Parts, wire } from './wiring.ts'
import { Workers } from './workers.ts'

/** How often a service that is not ready looks again. */
const RECHECK_MS = 1000

/** A running service, from start to stop. */
export class Service {
  readonly url: string
  readonly databaseDescription: string
  /** Where files of the embedded PostgreSQL are; undefined with a server of the operator's. */
  readonly embeddedDataDir: string | undefined
  /** A key that was made up by this start; resolves once the database is ready for one, or the service stops. */
  readonly firstKey: Promise<string | undefined>
  readonly #config: Config
  readonly #parts: Parts
  readonly #front: Front
  readonly #server: DatabaseServer
  readonly #log: Logger
  readonly #stop = new AbortController()
  #stopped: Promise<void> | undefined

  private constructor(config: Config, parts: Parts, server: DatabaseServer, front: Front, log: Logger) {
    this.#config = config
    this.#parts = parts
    this.#server = server
    this.#front = front
    this.#log = log
    this.url = front.url
    this.databaseDescription = server.description
    this.embeddedDataDir = server.embedded === undefined ? undefined : config.DATA_DIR
    parts.sweeper.start()
    parts.historyKeeper.start()
    this.firstKey = this.#makeFirstKey()
  }

  /** Resolves when the service listens, and rejects with a StartError that names every problem. */
  static async start(config: Config, log: Logger): Promise<Service> {
    let server: DatabaseServer
    try {
      server = await findDatabaseServer(config, event => log.info(event, 'embedded database'))
    } catch (error) {
      throw new StartError([messageOf(error), ...(await portProblems(config))])
    }
    const parts = wire(config, server.url, log)
    try {
      await prepareDatabase(config, parts, server, log)
      const front =
        config.WORKERS === 1
          ? await listen(config, parts.http)
          : await Workers.start({ config, databaseUrl: server.url, metrics: parts.metrics, log })
      log.info({ url: front.url }, 'listening')
      return new Service(config, parts, server, front, log)
    } catch (error) {
      await letGo(parts, server)
      if (error instanceof StartError) throw error
      throw new StartError([messageOf(error)])
    }
  }

  get isStopping(): boolean {
    return this.#stop.signal.aborted
  }

  /**
   * Answers what is under way, then lets go of everything in the order of need. Locks stay held: they belong to
   * their sessions, not to this process.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopInOrder()
    return this.#stopped
  }

  async #stopInOrder(): Promise<void> {
    this.#stop.abort()
    await this.#front.drain(this.#config.DRAIN_TIMEOUT_MS)
    await letGo(this.#parts, this.#server)
  }

  /** Waits until the schema is there, since a migration may still be on its way, then makes sure of a key. */
  async #makeFirstKey(): Promise<string | undefined> {
    let said = ''
    while (!this.isStopping) {
      const problems = await this.#parts.readiness.problems()
      if (problems.length === 0) {
        try {
          return await this.#parts.keys.ensureFirst(this.#config.BOOTSTRAP_KEY)
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
}

/** Sees to a database that can be reached, and, where it is our own, to the newest schema. */
async function prepareDatabase(
  config: Config,
  parts: Parts,
  server: DatabaseServer,
  log: Logger,
): Promise<void> {
  try {
    if (server.embedded !== undefined) {
      await migrateUp({ url: server.url, schema: config.DATABASE_SCHEMA, log: line => log.info(line) })
    }
    await parts.background.run('select 1', [])
  } catch (error) {
    // without a cause it is our own verdict on the server's settings: not ready, but no reason to give up
    if (error instanceof Error && error.cause === undefined && server.embedded === undefined) return
    const where = server.embedded === undefined ? 'DATABASE_URL: ' : ''
    throw new StartError([`${where}${databaseProblem(error)}`, ...(await portProblems(config))])
  }
}

/** The embedded PostgreSQL goes last: everything else may still need it. */
async function letGo(parts: Parts, server: DatabaseServer): Promise<void> {
  await closeParts(parts)
  await server.release()
}
