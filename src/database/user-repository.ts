import { sql } from 'kysely'
import type { User, UserStore } from '../locks/user.ts'
import type { Database } from './database.ts'

/** Users in PostgreSQL. */
export class UserRepository implements UserStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async findByNames(names: readonly string[]): Promise<readonly User[]> {
    // one text, however many they are
    return this.#users().where('name', '=', sql<string>`any(${names}::text[])`).execute()
  }

  async findByNumber(number: number): Promise<User | undefined> {
    return this.#users().where('id', '=', number).executeTakeFirst()
  }

  #users() {
    return this.#database.kysely.selectFrom('users').select(['id as number', 'name', 'created'])
  }
}
