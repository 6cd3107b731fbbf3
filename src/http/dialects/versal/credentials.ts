import { administers } from '../../../locks/access.ts'
import { EVERY_NAMESPACE, type Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import type { SignIn } from '../../../locks/sign-in.ts'
import type { WireRequest } from '../../wire-route.ts'

/** What the `SID` header of a request stands for. */
export type Credentials =
  /** A session that POST /sessions made. */
  | { readonly kind: 'user_session'; readonly principal: Principal; readonly signIn: SignIn }
  /** A user's own key, which is as good as a session of his. */
  | { readonly kind: 'user_key'; readonly principal: Principal }
  /** The key of an administrator of the whole service: it opens sessions for others, and is no user itself. */
  | { readonly kind: 'partner_key'; readonly principal: Principal }

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/

/** Refuses a request without good credentials; the session, where it is one, is touched. */
export async function authenticate(request: WireRequest, namespace?: string): Promise<Credentials> {
  const credentials = await read(request)
  if (credentials === undefined) {
    throw new Refusal('unauthenticated', 'the SID header is missing, or is neither a live session nor a key')
  }
  request.actsFor(credentials.principal, namespace)
  return credentials
}

async function read({ headers, services, origin }: WireRequest): Promise<Credentials | undefined> {
  const { sid } = headers
  if (typeof sid !== 'string' || sid === '') return undefined
  const sessionId = sid.toLowerCase()
  if (UUID.test(sessionId)) {
    const [signIn] = await services.signIns.touch([sessionId], origin)
    if (signIn !== undefined) return { kind: 'user_session', principal: signIn.principal, signIn }
  }
  // a key that an operator chose may look like a session
  const principal = await services.keys.authenticate(sid, origin)
  if (principal === undefined) return undefined
  return { kind: administers(principal, EVERY_NAMESPACE) ? 'partner_key' : 'user_key', principal }
}
