import { createHash, randomBytes } from 'node:crypto'
import { requireServiceAdmin } from './access.ts'
import type { Principal } from './api-key.ts'
import { Refusal } from './errors.ts'
import type { FailedLookups } from './failed-lookups.ts'
import type { KeyService } from './key-service.ts'
import type { Session } from './session.ts'
import type { SessionStore } from './session-store.ts'
import type { SignIn, SignInStore } from './sign-in.ts'

/** A secret whose session cannot be touched has expired, which the second try sees to, or its key was revoked. */
const MAX_TRIES = 3

/** What to sign in as; `undefined` means that the caller did not say. */
export interface SignInInput {
  /** Made by the caller, at least 122 random bits. Left out, one is made: 32 hexadecimal digits. */
  readonly secret?: string | undefined
  readonly client?: string | null | undefined
  readonly ttlSeconds: number
  /** Off by default: a sign-in goes on without locks. */
  readonly endsWithLastLock?: boolean | undefined
  /** Another user, for whom an administrator of the whole service acts from now on. */
  readonly onBehalfOf?: string | undefined
}

/**
 * Sign-ins, for the APIs that have them. What a sign-in hands out is random and as good as a key while the session
 * lives, so like a key only its SHA-256 is stored.
 */
export class SignInService {
  readonly #store: SignInStore
  readonly #sessions: SessionStore
  readonly #keys: KeyService
  readonly #failed: FailedLookups | undefined

  /** `failed`: bounds look-ups of secrets that nobody knows. */
  constructor(store: SignInStore, sessions: SessionStore, keys: KeyService, failed?: FailedLookups) {
    this.#store = store
    this.#sessions = sessions
    this.#keys = keys
    this.#failed = failed
  }

  /** The principal of a user's key; undefined where the key is not in force, or is another user's. */
  async verify(user: string, key: string, origin: string): Promise<Principal | undefined> {
    const principal = await this.#keys.authenticate(key, origin)
    return principal?.user === user ? principal : undefined
  }

  /** A new session with a secret. With `secret` of the caller's, the live session that has it already is answered. */
  async open(
    principal: Principal,
    input: SignInInput,
  ): Promise<{ readonly secret: string; readonly session: Session }> {
    if (input.onBehalfOf !== undefined && input.onBehalfOf !== principal.user) requireServiceAdmin(principal)
    const secret = input.secret ?? randomBytes(16).toString('hex')
    const secretHash = hashOf(secret)
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const session = await this.#store.open({
        secretHash,
        keyId: principal.keyId,
        user: input.onBehalfOf ?? principal.user,
        client: input.client ?? null,
        ttlSeconds: input.ttlSeconds,
        endsWithLastLock: input.endsWithLastLock ?? false,
      })
      if (session !== undefined) return { secret, session }
      const [existing] = await this.#store.touch([secretHash])
      if (existing !== undefined) {
        if (existing.principal.user === (input.onBehalfOf ?? principal.user)) {
          return { secret, session: existing.session }
        }
        throw new Refusal('forbidden', 'the secret belongs to another user')
      }
      await this.#store.endExpired(secretHash)
    }
    throw new Refusal('unauthenticated', 'the key that was used to sign in is not in force any more')
  }

  /**
   * The sign-ins of secrets that a client showed, in their order, each touched; undefined where there is no such live
   * one. `origin`: where the request comes from, to bound what unknown secrets cost.
   */
  async touch(secrets: readonly string[], origin: string): Promise<readonly (SignIn | undefined)[]> {
    return this.#shown(secrets, origin, hashes => this.#store.touch(hashes))
  }

  /** The sign-in of a secret that a client showed, not touched: for those that last a fixed time. */
  async find(secret: string, origin: string): Promise<SignIn | undefined> {
    const [found] = await this.#shown([secret], origin, hashes => this.#store.find(hashes))
    return found
  }

  /** Whether there is a live sign-in of a secret that no client has shown. */
  async isOpen(secret: string): Promise<boolean> {
    const [found] = await this.#store.find([hashOf(secret)])
    return found !== undefined
  }

  /** Ends the session, and its locks with it. False: it had ended already. */
  async end({ session, principal }: SignIn): Promise<boolean> {
    return this.#sessions.end(session.id, principal.user)
  }

  async #shown(
    secrets: readonly string[],
    origin: string,
    lookUp: (hashes: readonly Buffer[]) => Promise<readonly (SignIn | undefined)[]>,
  ): Promise<readonly (SignIn | undefined)[]> {
    if (secrets.length === 0) return []
    const hashes = secrets.map(hashOf)
    if (this.#failed === undefined) return lookUp(hashes)
    const names = hashes.map(hash => hash.toString('base64'))
    return this.#failed.guard(origin, names, () => lookUp(hashes))
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
