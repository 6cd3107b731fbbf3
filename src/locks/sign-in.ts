import type { Principal } from './api-key.ts'
import type { Session } from './session.ts'

/** Somebody who signed in: a live session with a secret, and what its key lets it do. */
export interface SignIn {
  readonly session: Session
  /** The user is the session's: an administrator may have signed in on behalf of somebody else. */
  readonly principal: Principal
}

export interface NewSignIn {
  /** SHA-256 of the secret. */
  readonly secretHash: Buffer
  readonly keyId: string
  readonly user: string
  readonly client: string | null
  readonly ttlSeconds: number
  readonly endsWithLastLock: boolean
}

/** Where sign-ins live. Throws `DatabaseTrouble` like LockStore. */
export interface SignInStore {
  /** Makes the session. Undefined: the secret is in use. */
  open(signIn: NewSignIn): Promise<Session | undefined>
  /** The live sign-ins of these secrets, in their order, after a touch; undefined where there is none. */
  touch(secretHashes: readonly Buffer[]): Promise<readonly (SignIn | undefined)[]>
  /** The same without a touch. */
  find(secretHashes: readonly Buffer[]): Promise<readonly (SignIn | undefined)[]>
  /** Clears the way for a secret whose session has expired. */
  endExpired(secretHash: Buffer): Promise<void>
}
