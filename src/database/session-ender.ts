import type { Database } from './database.ts'
import { isStatementTimeout } from './trouble.ts'

/**
 * Sends statements that end sessions. With a session go all its locks, and nothing bounds how many it has gathered: what
 * takes longer than a statement of a request may is sent once more on the connections for large ones. Else such a
 * session could be neither ended nor swept, and what it holds would never be free again.
 */
export class SessionEnder {
  readonly #database: Database
  readonly #bulk: Database

  constructor(database: Database, bulk: Database) {
    this.#database = database
    this.#bulk = bulk
  }

  async run<Row>(text: string, parameters: readonly unknown[]): Promise<readonly Row[]> {
    try {
      return await this.#database.run<Row>(text, parameters)
    } catch (error) {
      if (!isStatementTimeout(error)) throw error
      return await this.#bulk.run<Row>(text, parameters)
    }
  }
}
