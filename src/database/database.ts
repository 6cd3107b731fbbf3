import { Kysely, PostgresDialect } from 'kysely'
import { Pool, type PoolCounts, type PoolSettings } from './pool.ts'
import type { Tables } from './tables.ts'
import { isDeadlock } from './trouble.ts'

/** One is rare; as many in a row mean that something else is wrong. */
const MAX_DEADLOCKS = 5

/** A schema's name as it may stand in SQL without quotes. */
export const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,62}$/

/**
 * PostgreSQL, and the schema in it that is ours. Names are qualified in every statement, so that nothing
 * depends on a search_path, which a pooler would not keep.
 */
export class Database {
  /** For statements that kysely builds. */
  readonly kysely: Kysely<Tables>
  readonly schema: string
  readonly #pool: Pool

  constructor(settings: PoolSettings, schema: string) {
    if (!SCHEMA_NAME.test(schema)) throw new TypeError(`not a schema name: ${schema}`)
    this.schema = schema
    this.#pool = new Pool(settings)
    this.kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: this.#pool }) }).withSchema(
      schema,
    )
  }

  /**
   * Runs one statement, written in SQL, on its own: it commits before this resolves. A deadlock undid the whole
   * of it, so it is sent again; our own statements cannot meet one, but those that a DBA types can bring it about.
   */
  async run<Row>(text: string, parameters: readonly unknown[]): Promise<readonly Row[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#pool.query<Row>(text, parameters)
      } catch (error) {
        if (!isDeadlock(error) || tries === MAX_DEADLOCKS) throw error
      }
    }
  }

  get connections(): PoolCounts {
    return this.#pool.counts
  }

  async close(): Promise<void> {
    await this.kysely.destroy()
    // kysely ends the pool only where it has used it itself
    await this.#pool.end()
  }
}
