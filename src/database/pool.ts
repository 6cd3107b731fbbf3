import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely'
import pg from 'pg'
import { DatabaseTrouble } from '../locks/errors.ts'
import { SERVER_SETTINGS_SQL, type ServerSettings, unsafeSettings } from './server-settings.ts'
import { connectTrouble, hasSqlState, isStaleStatement, statementTrouble } from './trouble.ts'

export interface PoolSettings {
  readonly url: string
  /** Connections at most. */
  readonly max: number
  /** How long a request may wait for a connection, in ms; where one is made for it, once more to prepare that one. */
  readonly connectTimeoutMs: number
  /** After which the server gives up on a statement, in ms. */
  readonly statementTimeoutMs: number
  /** After which the server gives up on a row lock, in ms. */
  readonly lockTimeoutMs: number
  /**
   * The connections go through a pooler that gives each statement another server connection: no named
   * statements and no settings of the session, which the role must then carry.
   */
  readonly transactionPooler: boolean
  /** Work on a server whose settings lose locks, or on a standby. */
  readonly allowUnsafe: boolean
  /** A connection that breaks while nobody uses it. */
  readonly onIdleError: (error: Error) => void
}

/**
 * How much longer the client waits than the server may work. No time-out of the server bounds a COMMIT that
 * waits for a standby, so the client's own deadline must end it, and by closing the socket: a cancel would
 * make the server answer success for a commit that the standby may not have.
 */
const GRACE_MS = 2000

/** How long the end waits for statements that are under way. Whoever asked for them has been answered by then, or cut off. */
const END_GRACE_MS = 3000

/**
 * Texts that kysely builds, which depend on what a caller filters by: there are thousands, and their plans must not fill
 * the server. Those that are written in SQL are few and fixed, and always have their names.
 */
const MAX_NAMED_BUILT = 200

/**
 * Begins a statement that is planned each time. A plan that is kept was made when a table may have been small; a
 * statement over a hundred thousand rows must not meet the plan for ten.
 */
export const PLANNED_ANEW = '/* planned anew */ '

/** Connections are renewed so that they follow a failover that only the address tells of. */
const MAX_LIFETIME_SECONDS = 600

export interface PoolCounts {
  readonly total: number
  readonly idle: number
  readonly waiting: number
}

/**
 * The one way to PostgreSQL. Adds to pg's pool what a lock service must have: a deadline for every statement,
 * named statements, no crash when a connection dies in use, and failures that say whether anything can have
 * changed.
 */
export class Pool implements PostgresPool {
  readonly #pool: pg.Pool
  readonly #settings: PoolSettings
  readonly #names = new Map<string, string>()
  readonly #namesOfBuilt = new Map<string, string>()
  readonly #inUse = new Set<pg.PoolClient>()
  /** Clients that were warned that a commit was not confirmed by the standby. */
  readonly #warned = new WeakSet<pg.ClientBase>()
  #ended: Promise<void> | undefined

  constructor(settings: PoolSettings) {
    this.#settings = settings
    this.#pool = new pg.Pool({
      connectionString: settings.url,
      application_name: 'leasehold',
      max: settings.max,
      connectionTimeoutMillis: settings.connectTimeoutMs,
      idleTimeoutMillis: 30_000,
      maxLifetimeSeconds: Math.round(MAX_LIFETIME_SECONDS * (0.9 + Math.random() / 5)),
      keepAlive: true,
      keepAliveInitialDelayMillis: 5000,
      onConnect: client => this.#prepare(client),
    })
    this.#pool.on('error', error => {
      // a server that is stopped right behind us may still say so to a connection that is on its way out
      if (this.#ended === undefined) settings.onIdleError(error)
    })
  }

  get counts(): PoolCounts {
    return {
      total: this.#pool.totalCount,
      idle: this.#pool.idleCount,
      waiting: this.#pool.waitingCount,
    }
  }

  /** For statements that kysely builds. */
  connect(): Promise<PostgresPoolClient> {
    return this.#connect(text => this.#nameOf(text, this.#namesOfBuilt, MAX_NAMED_BUILT))
  }

  async #connect(nameOf: (text: string) => string | undefined): Promise<PostgresPoolClient> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw connectTrouble(error)
    }
    this.#inUse.add(client)
    return new Connection(client, this.#settings, this.#warned, nameOf, () => this.#inUse.delete(client))
  }

  /** One statement, written in SQL, on a connection of its own; it commits before this resolves. */
  async query<R>(text: string, values: readonly unknown[]): Promise<readonly R[]> {
    const connection = await this.#connect(text => this.#nameOf(text, this.#names, Infinity))
    try {
      return (await connection.query<R>(text, values)).rows
    } finally {
      connection.release()
    }
  }

  /** Resolves when every statement has ended, or was given up after some seconds; safe to call twice. */
  end(): Promise<void> {
    this.#ended ??= this.#endSoon()
    return this.#ended
  }

  async #endSoon(): Promise<void> {
    const timer = setTimeout(() => {
      for (const client of this.#inUse) breakOff(client)
    }, END_GRACE_MS)
    try {
      await this.#pool.end()
    } finally {
      clearTimeout(timer)
    }
  }

  /** Runs once for each new connection, before its first use. */
  async #prepare(client: pg.ClientBase): Promise<void> {
    // pool.on('error') covers idle clients only; without this listener one that dies in use ends the process
    client.on('error', () => {})
    client.on('notice', notice => {
      if (notice.code === '01000') this.#warned.add(client)
    })
    const { connectTimeoutMs, allowUnsafe } = this.#settings
    const found = await withDeadline(client, connectTimeoutMs, () => this.#settle(client))
    const problems = found === undefined ? ['the server does not tell its settings'] : unsafeSettings(found)
    if (problems.length > 0 && !allowUnsafe) {
      throw new DatabaseTrouble(
        'database_unavailable',
        'unchanged',
        `the database would lose granted locks: ${problems.join('; ')}`,
      )
    }
  }

  /** Gives the connection its settings, and answers with those of its server. */
  async #settle(client: pg.ClientBase): Promise<ServerSettings | undefined> {
    const { statementTimeoutMs, lockTimeoutMs, transactionPooler } = this.#settings
    if (!transactionPooler) {
      await client.query(`select
        set_config('statement_timeout', '${statementTimeoutMs}', false),
        set_config('lock_timeout', '${lockTimeoutMs}', false),
        set_config('idle_in_transaction_session_timeout', '2000', false),
        set_config('client_connection_check_interval', '500', false),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('plan_cache_mode', 'force_generic_plan', false),
        set_config('enable_seqscan', 'off', false),
        set_config('max_parallel_workers_per_gather', '0', false),
        set_config('jit', 'off', false)`)
    }
    const { rows } = await client.query<ServerSettings>(SERVER_SETTINGS_SQL)
    return rows[0]
  }

  /**
   * Named by what it says, so that a name can never mean another statement: behind a pooler that nobody told us
   * of, two processes that numbered theirs could each execute the other's.
   */
  #nameOf(text: string, names: Map<string, string>, most: number): string | undefined {
    if (this.#settings.transactionPooler || text.startsWith(PLANNED_ANEW)) return undefined
    const known = names.get(text)
    if (known !== undefined) return known
    if (names.size >= most) return undefined
    const name = `leasehold_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
    names.set(text, name)
    return name
  }
}

/** A checked-out connection, as kysely wants it. */
class Connection implements PostgresPoolClient {
  readonly #client: pg.PoolClient
  readonly #deadlineMs: number
  readonly #warned: WeakSet<pg.ClientBase>
  readonly #nameOf: (text: string) => string | undefined
  readonly #released: () => void
  #broken = false

  constructor(
    client: pg.PoolClient,
    settings: PoolSettings,
    warned: WeakSet<pg.ClientBase>,
    nameOf: (text: string) => string | undefined,
    released: () => void,
  ) {
    this.#client = client
    this.#deadlineMs = settings.statementTimeoutMs + GRACE_MS
    this.#warned = warned
    this.#nameOf = nameOf
    this.#released = released
  }

  query<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>>
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>
  query<R>(
    text: string | PostgresCursor<R>,
    values: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof text !== 'string') throw new TypeError('cursors are not supported')
    return this.#execute<R>(text, values)
  }

  release(): void {
    this.#released()
    this.#client.release(this.#broken)
  }

  async #execute<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>> {
    const name = this.#nameOf(text)
    try {
      try {
        return await this.#send<R>(text, values, name)
      } catch (error) {
        if (name === undefined || !isStaleStatement(error)) throw error
        // this connection keeps the stale statement under the name: once more without it, then never again
        this.#broken = true
        return await this.#send<R>(text, values, undefined)
      }
    } catch (error) {
      // after anything but a plain error the connection may be dead; on 25006 it leads to a standby
      if (!hasSqlState(error) || hasSqlState(error, '25006')) this.#broken = true
      throw statementTrouble(error)
    }
  }

  async #send<R>(
    text: string,
    values: readonly unknown[],
    name: string | undefined,
  ): Promise<PostgresQueryResult<R>> {
    const query = name === undefined ? { text, values } : { text, values, name }
    const result: unknown = await withDeadline(this.#client, this.#deadlineMs, () =>
      this.#client.query(query as pg.QueryConfig),
    )
    if (this.#warned.delete(this.#client)) {
      // somebody cancelled the wait for the standby: committed here, and perhaps nowhere else
      throw new DatabaseTrouble(
        'database_unavailable',
        'unknown',
        'the database did not confirm that its standby has the change',
      )
    }
    return result as PostgresQueryResult<R>
  }
}

/** Closes the socket when time is up: then nothing that arrives later can be taken for the answer. */
async function withDeadline<T>(client: pg.ClientBase, ms: number, work: () => Promise<T>): Promise<T> {
  let late = false
  const timer = setTimeout(() => {
    late = true
    breakOff(client)
  }, ms)
  try {
    return await work()
  } catch (error) {
    if (!late) throw error
    throw new DatabaseTrouble('database_timeout', 'unknown', 'the database did not answer in time', {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
  }
}

/** pg has no call for this; `end()` would wait for the statement. */
function breakOff(client: pg.ClientBase): void {
  const { connection } = client as unknown as { connection: { stream: Socket } }
  connection.stream.destroy()
}
