import { Client } from 'pg'
import { codeOf } from './embedded-error.ts'

/** A number of our own, in the database `postgres` that nothing else of ours locks in. */
const KEY = '(761931, 20)'
const OTHERS = `select exists (select from pg_locks where locktype = 'advisory' and classid = 761931 and objid = 20
  and objsubid = 2 and mode = 'ShareLock' and granted and pid <> pg_backend_pid()) as yes`
const CONNECT_TIMEOUT_MS = 5_000
const QUERY_TIMEOUT_MS = 10_000

/**
 * A connection of its own, whose locks tell the processes that share a data folder of each other: everyone who uses
 * the server holds a shared lock; whoever gets the exclusive one is alone and may stop it. PostgreSQL drops the
 * locks of a process that dies, which no file on disk would do.
 */
export class UsageLock {
  readonly version: string
  /** Resolves when the connection is gone. */
  readonly lost: Promise<void>
  readonly #client: Client

  private constructor(client: Client, lost: Promise<void>, version: string) {
    this.#client = client
    this.lost = lost
    this.version = version
  }

  /** Connects and makes the database `leasehold` if it is missing. */
  static async connect(port: number, password: string): Promise<UsageLock> {
    const client = new Client({
      host: '127.0.0.1',
      port,
      user: 'leasehold',
      password,
      database: 'postgres',
      ssl: false,
      keepAlive: true,
      application_name: 'leasehold embedded',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      options: '-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0',
    })
    const lost = new Promise<void>(resolve => {
      client.on('error', () => resolve())
      client.on('end', () => resolve())
    })
    try {
      await client.connect()
      const { rows } = await client.query<{ version: string; ready: boolean }>(
        `select current_setting('server_version') as version,
                exists (select from pg_database where datname = 'leasehold') as ready`,
      )
      const row = rows[0]
      if (row === undefined) throw new Error('PostgreSQL does not say its version')
      if (!row.ready) await createDatabase(client)
      return new UsageLock(client, lost, row.version.split(' ')[0] ?? row.version)
    } catch (error) {
      await client.end().catch(() => undefined)
      throw error
    }
  }

  /** Registers this process as a user of the server. False while another one is about to stop it. */
  share(): Promise<boolean> {
    return this.#ask(`select pg_try_advisory_lock_shared${KEY} as yes`)
  }

  async unshare(): Promise<void> {
    await this.#ask(`select pg_advisory_unlock_shared${KEY} as yes`)
  }

  /** True when nobody else uses the server; from then on nobody can start to. */
  excludeOthers(): Promise<boolean> {
    return this.#ask(`select pg_try_advisory_lock${KEY} as yes`)
  }

  usedByOthers(): Promise<boolean> {
    return this.#ask(OTHERS)
  }

  isYoungerThan(seconds: number): Promise<boolean> {
    return this.#ask(
      `select clock_timestamp() - pg_postmaster_start_time() < ${seconds} * interval '1 second' as yes`,
    )
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined)
  }

  async #ask(sql: string): Promise<boolean> {
    const { rows } = await this.#client.query<{ yes: boolean }>(sql)
    return rows[0]?.yes === true
  }
}

async function createDatabase(client: Client): Promise<void> {
  try {
    await client.query('create database leasehold template template0')
  } catch (error) {
    // Another process made it at the same moment.
    if (codeOf(error) !== '42P04' && codeOf(error) !== '23505') throw error
  }
}
