import { sql } from 'kysely'
import type { ApiKey, ApiKeyFilter, ApiKeyStore, NewApiKey, Principal } from '../locks/api-key.ts'
import type { Database } from './database.ts'

interface ApiKeyRow {
  readonly id: string
  readonly user_name: string
  readonly role: ApiKey['role']
  readonly namespace: string
  readonly created: Date
  readonly expires_at: Date | null
  readonly revoked_at: Date | null
}

/** Keys in PostgreSQL, as hashes. */
export class ApiKeyRepository implements ApiKeyStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async create(key: NewApiKey): Promise<ApiKey> {
    const [row] = await this.#insert(key, sql`true`, false)
    if (row === undefined) throw new Error('the key was not stored')
    return apiKeyOf(row)
  }

  async createFirst(key: NewApiKey, when: 'only_key' | 'this_key'): Promise<void> {
    const { schema } = this.#database
    if (when === 'this_key') await this.#insert(key, sql`true`, false)
    else await this.#insert(key, sql`not exists (select from ${sql.table(`${schema}.api_keys`)})`, true)
  }

  async list(filter: ApiKeyFilter): Promise<readonly ApiKey[]> {
    let query = this.#inForce().select([
      'k.id',
      'u.name as user_name',
      'k.role',
      'k.namespace',
      'k.created',
      'k.expires_at',
      'k.revoked_at',
    ])
    if (filter.afterKeyId !== undefined) query = query.where('k.id', '>', filter.afterKeyId)
    const rows = await query.orderBy('k.id').limit(filter.limit).execute()
    return rows.map(apiKeyOf)
  }

  async revoke(keyId: string): Promise<boolean> {
    const { numUpdatedRows } = await this.#database.kysely
      .updateTable('api_keys')
      .set({ revoked_at: sql`now()` })
      .where('id', '=', keyId)
      .where('revoked_at', 'is', null)
      .where(eb => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', sql<Date>`now()`)]))
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }

  async findByHash(hash: Buffer) {
    const row = await this.#inForce()
      .select(['k.id', 'u.name', 'k.role', 'k.namespace', 'k.key_hash'])
      .where('k.key_hash', '=', hash)
      .executeTakeFirst()
    if (row === undefined) return undefined
    const principal: Principal = { keyId: row.id, user: row.name, role: row.role, namespace: row.namespace }
    return { principal, hash: row.key_hash }
  }

  #inForce() {
    return this.#database.kysely
      .selectFrom('api_keys as k')
      .innerJoin('users as u', 'u.id', 'k.user_id')
      .where('k.revoked_at', 'is', null)
      .where(eb => eb.or([eb('k.expires_at', 'is', null), eb('k.expires_at', '>', sql<Date>`now()`)]))
  }

  /**
   * Makes the user with its first key. The update that changes nothing is there for its `returning`: without it
   * the id of a user who exists already would need a second statement.
   */
  async #insert(
    key: NewApiKey,
    condition: ReturnType<typeof sql>,
    first: boolean,
  ): Promise<readonly ApiKeyRow[]> {
    const users = sql.table(`${this.#database.schema}.users`)
    const keys = sql.table(`${this.#database.schema}.api_keys`)
    const { rows } = await sql<ApiKeyRow>`
      with owner as (
        insert into ${users} (name)
        select ${key.user} where ${condition}
        on conflict (name) do update set name = excluded.name
        returning id, name
      ),
      made as (
        insert into ${keys} (user_id, key_hash, role, namespace, expires_at, first)
        select id, ${key.hash}, ${key.role}, ${key.namespace},
          now() + make_interval(secs => ${key.ttlSeconds}::float8), ${first}
        from owner
        on conflict do nothing
        returning *
      )
      select made.id, owner.name as user_name, role, namespace, created, expires_at, revoked_at
      from made, owner`.execute(this.#database.kysely)
    return rows
  }
}

function apiKeyOf(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    user: row.user_name,
    role: row.role,
    namespace: row.namespace,
    created: row.created,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }
}
