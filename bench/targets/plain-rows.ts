import pg from 'pg'
import { DEFAULT_BATCHING, Gatherer } from '../../src/database/gatherer.ts'
import { SESSION_SETTINGS } from './plain-table.ts'

/** Rows of a table of bare locks, inserted and deleted in batches as large as the service's, each with one commit. */
export class PlainRows {
  readonly #pool: pg.Pool
  readonly #inserts: Gatherer<string, void>
  readonly #deletes: Gatherer<string, void>

  constructor(url: string, table: string) {
    this.#pool = new pg.Pool({
      connectionString: url,
      application_name: 'leasehold bench',
      options: SESSION_SETTINGS,
      max: 2 * DEFAULT_BATCHING.maxInFlight,
    })
    const batches = (name: string, text: string) =>
      new Gatherer<string, void>(
        async ids => {
          const { rowCount } = await this.#pool.query({ name, text, values: [ids] })
          if (rowCount !== ids.length) throw new Error(`${name}: ${rowCount} rows of ${ids.length}`)
          return ids.map(() => undefined)
        },
        { ...DEFAULT_BATCHING, keysOf: id => [id], isDivisible: () => false },
      )
    this.#inserts = batches(
      'insert',
      `insert into ${table} (namespace, resource_type, resource_id) select 'bench', 'item', unnest($1::text[])`,
    )
    this.#deletes = batches(
      'delete',
      `delete from ${table} where namespace = 'bench' and resource_type = 'item' and resource_id = any($1::text[])`,
    )
  }

  insert(id: string): Promise<void> {
    return this.#inserts.add(id)
  }

  delete(id: string): Promise<void> {
    return this.#deletes.add(id)
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}
