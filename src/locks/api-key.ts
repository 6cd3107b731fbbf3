/** What a key may do: `viewer` reads, `locker` also locks, `admin` also takes over and manages keys. */
export const ROLES = ['viewer', 'locker', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** The namespace of a key that is good for all of them. */
export const EVERY_NAMESPACE = '*'

/** A key as administrators see it: never the secret. */
export interface ApiKey {
  readonly id: string
  readonly user: string
  readonly role: Role
  readonly namespace: string
  readonly created: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
}

/** Who makes a request. Comes from the credentials and from nowhere else. */
export interface Principal {
  readonly keyId: string
  readonly user: string
  readonly role: Role
  readonly namespace: string
}

export interface NewApiKey {
  readonly user: string
  readonly role: Role
  readonly namespace: string
  readonly ttlSeconds: number | null
  /** SHA-256 of the key's text. */
  readonly hash: Buffer
}

export interface ApiKeyFilter {
  readonly afterKeyId?: string | undefined
  readonly limit: number
}

/** Where keys live. Throws `DatabaseTrouble` like LockStore. */
export interface ApiKeyStore {
  create(key: NewApiKey): Promise<ApiKey>
  /** Keys that are neither revoked nor expired, in the order of their ids. */
  list(filter: ApiKeyFilter): Promise<readonly ApiKey[]>
  /** False: no such key in force. */
  revoke(keyId: string): Promise<boolean>
  /** The principal of a key in force and the hash it was found by. */
  findByHash(hash: Buffer): Promise<{ readonly principal: Principal; readonly hash: Buffer } | undefined>
  /**
   * Makes a key that lets the operator in. `only_key`: only in a database that never had a key, once however
   * many replicas start. `this_key`: unless this very key has been made before.
   */
  createFirst(key: NewApiKey, when: 'only_key' | 'this_key'): Promise<void>
}
