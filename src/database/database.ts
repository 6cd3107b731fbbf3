import { CompiledQuery, Kysely, PostgresDialect, type QueryResult } from 'kysely'
import { Pool, type PoolCounts, type PoolSettings } from './pool.ts'
import type { Tables } from './tables.ts'

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

  /** Runs one statement, written in SQL, on its own: it commits before this resolves. */
  async run<Row>(text: string, parameters: readonly unknown[]): Promise<readonly Row[]> {
    const result = await this.kysely.executeQuery(CompiledQuery.raw(text, [...parameters]))
    return (result as QueryResult<Row>).rows
  }

  get connections(): PoolCounts {
    return this.#pool.counts
  }

  async close(): Promise<void> {
    await this.kysely.destroy()
  }
}
