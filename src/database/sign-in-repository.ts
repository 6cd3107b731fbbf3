import { randomUUID } from 'node:crypto'
import type { Role } from '../locks/api-key.ts'
import type { Session } from '../locks/session.ts'
import type { NewSignIn, SignIn, SignInStore } from '../locks/sign-in.ts'
import type { Database } from './database.ts'
import { SessionEnder } from './session-ender.ts'
import { type LeaseRow, type SessionRow, sessionOf } from './session-row.ts'
import { endSecretSql } from './statements/end-sessions.ts'
import { findSignInsSql, openSignInSql, touchSignInsSql } from './statements/sign-ins.ts'

interface SignInRow extends SessionRow {
  readonly secret_hash: Buffer
  readonly key_id: string
  readonly key_namespace: string
  readonly role: Role
}

/** Sign-ins in PostgreSQL: sessions that carry the hash of a secret. */
export class SignInRepository implements SignInStore {
  readonly #database: Database
  readonly #ender: SessionEnder
  readonly #sql: Readonly<Record<'open' | 'touch' | 'find' | 'end', string>>

  /** `bulk`: for the end of sessions with very many locks. */
  constructor(database: Database, bulk = database) {
    this.#database = database
    this.#ender = new SessionEnder(database, bulk)
    this.#sql = {
      open: openSignInSql(database.schema),
      touch: touchSignInsSql(database.schema),
      find: findSignInsSql(database.schema),
      end: endSecretSql(database.schema),
    }
  }

  async open(signIn: NewSignIn): Promise<Session | undefined> {
    const { secretHash, keyId, user, client, ttlSeconds, endsWithLastLock } = signIn
    const id = randomUUID()
    const [row] = await this.#database.run<LeaseRow>(this.#sql.open, [
      id,
      secretHash,
      keyId,
      user,
      client,
      ttlSeconds,
      endsWithLastLock,
    ])
    if (row === undefined) return undefined
    return sessionOf({
      ...row,
      id,
      user_name: user,
      client,
      ttl: ttlSeconds,
      ends_with_last_lock: endsWithLastLock,
    })
  }

  touch(secretHashes: readonly Buffer[]): Promise<readonly (SignIn | undefined)[]> {
    return this.#read(this.#sql.touch, secretHashes)
  }

  find(secretHashes: readonly Buffer[]): Promise<readonly (SignIn | undefined)[]> {
    return this.#read(this.#sql.find, secretHashes)
  }

  async endExpired(secretHash: Buffer): Promise<void> {
    await this.#ender.run(this.#sql.end, [secretHash])
  }

  async #read(statement: string, hashes: readonly Buffer[]): Promise<readonly (SignIn | undefined)[]> {
    const rows = await this.#database.run<SignInRow>(statement, [hashes])
    return hashes.map(hash => {
      const row = rows.find(({ secret_hash }) => secret_hash.equals(hash))
      return row && signInOf(row)
    })
  }
}

function signInOf(row: SignInRow): SignIn {
  const principal = { keyId: row.key_id, user: row.user_name, role: row.role, namespace: row.key_namespace }
  return { session: sessionOf(row), principal }
}
