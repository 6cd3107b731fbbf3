import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { requireServiceAdmin } from './access.ts'
import type { ApiKey, ApiKeyStore, Principal, Role } from './api-key.ts'
import { EVERY_NAMESPACE } from './api-key.ts'
import { Refusal } from './errors.ts'
import type { FailedLookups } from './failed-lookups.ts'

/** Keys in the cache: far more than are in use at once; an entry is some 300 bytes. */
const CACHED_KEYS = 10_000

/** The user of the very first key. */
export const FIRST_ADMIN = 'admin'

/**
 * Keys are 256 random bits, so a plain SHA-256 is enough to store: there is nothing to guess that a slow hash
 * would protect.
 *
 * A key found in the database is believed for `cacheSeconds`; that is also the longest time for which a
 * revoked key still works on a replica. Unknown keys are not remembered, so that a new key works at once.
 */
export class KeyService {
  readonly #store: ApiKeyStore
  readonly #failed: FailedLookups | undefined
  readonly #known: LRUCache<string, Promise<Principal | undefined>>

  /** What this process would give to a database that has no key. */
  #madeUp: string | undefined

  /** `failed`: bounds look-ups of keys that nobody knows. */
  constructor(store: ApiKeyStore, cacheSeconds: number, failed?: FailedLookups) {
    this.#store = store
    this.#failed = failed
    this.#known = new LRUCache({ max: CACHED_KEYS, ttl: Math.max(1, cacheSeconds * 1000) })
  }

  /** Undefined: no such key in force. `origin`: where the request comes from, to bound what unknown keys cost. */
  async authenticate(key: string, origin: string): Promise<Principal | undefined> {
    // a text at once: the bytes are wanted only where the key is looked up
    const name = hash('sha256', key, 'base64')
    return this.#known.get(name) ?? this.#lookUp(name, Buffer.from(name, 'base64'), origin)
  }

  /** One look-up for all who ask meanwhile. One that was overtaken by a revocation answers them and is forgotten. */
  #lookUp(name: string, hash: Buffer, origin: string): Promise<Principal | undefined> {
    const lookup = this.#findGuarded(name, hash, origin)
    this.#known.set(name, lookup)
    const forget = () => {
      if (this.#known.peek(name) === lookup) this.#known.delete(name)
    }
    lookup.then(principal => principal === undefined && forget(), forget)
    return lookup
  }

  async #findGuarded(name: string, hash: Buffer, origin: string): Promise<Principal | undefined> {
    if (this.#failed === undefined) return this.#find(hash)
    const [principal] = await this.#failed.guard(origin, [name], async () => [await this.#find(hash)])
    return principal
  }

  async #find(hash: Buffer): Promise<Principal | undefined> {
    const found = await this.#store.findByHash(hash)
    return found !== undefined && timingSafeEqual(found.hash, hash) ? found.principal : undefined
  }

  /** The key's text is in the answer and nowhere else. */
  async create(
    principal: Principal,
    input: { user: string; role: Role; namespace: string; ttlSeconds: number | null },
  ): Promise<{ readonly apiKey: ApiKey; readonly key: string }> {
    requireServiceAdmin(principal)
    const key = newKey()
    return { apiKey: await this.#store.create({ ...input, hash: hashOf(key) }), key }
  }

  async list(
    principal: Principal,
    filter: { afterKeyId?: string | undefined; limit: number },
  ): Promise<readonly ApiKey[]> {
    requireServiceAdmin(principal)
    return this.#store.list(filter)
  }

  async revoke(principal: Principal, keyId: string): Promise<void> {
    requireServiceAdmin(principal)
    if (!(await this.#store.revoke(keyId))) {
      throw new Refusal('key_not_found', `there is no key ${keyId} in force`)
    }
    // this replica at least forgets at once
    this.#known.clear()
  }

  /**
   * Makes sure that somebody can get in. With `bootstrapKey` that key is made; without it a key is made up if
   * this database never had one, and returned to be shown once. Called again after trouble it tries the same
   * key: the first call may have stored it and lost the answer, and then nobody would ever know it.
   */
  async ensureFirst(bootstrapKey: string | undefined): Promise<string | undefined> {
    this.#madeUp ??= newKey()
    const hash = hashOf(bootstrapKey ?? this.#madeUp)
    await this.#store.createFirst(
      { user: FIRST_ADMIN, role: 'admin', namespace: EVERY_NAMESPACE, ttlSeconds: null, hash },
      bootstrapKey === undefined ? 'only_key' : 'this_key',
    )
    if (bootstrapKey !== undefined || (await this.#find(hash)) === undefined) return undefined
    return this.#madeUp
  }
}

function newKey(): string {
  return `lh_${randomBytes(32).toString('base64url')}`
}

function hashOf(key: string): Buffer {
  return hash('sha256', key, 'buffer')
}
