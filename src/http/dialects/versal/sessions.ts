import { randomUUID } from 'node:crypto'
import { Refusal } from '../../../locks/errors.ts'
import type { User } from '../../../locks/user.ts'
import { parseJson } from '../../json.ts'
import type { Reply } from '../../route.ts'
import type { AppServices } from '../../services.ts'
import { validated } from '../../validation.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { authenticate, type Credentials } from './credentials.ts'
import { errorReply } from './errors.ts'
import { presentUser } from './presenters.ts'
import { sessionRequest } from './schemas.ts'

/** A session ends after so long without a request. The published API says it of sessions in organisations. */
const SESSION_SECONDS = 24 * 60 * 60

const INTEGER = /^-?\d{1,19}$/

export const sessionRoutes: readonly WireRoute[] = [
  { method: 'POST', path: '/sessions', statuses: [201, 400, 401, 403, 404, 413, 415], handle: openSession },
  { method: 'GET', path: '/session', statuses: [200, 401], handle: showSession },
  { method: 'POST', path: '/signout', statuses: [200, 401], handle: signOut },
]

async function openSession(request: WireRequest): Promise<Reply> {
  const { services } = request
  const credentials = await authenticate(request)
  const wanted = validated(sessionRequest, parseJson(await request.body(['application/json'])), 'body')
  const name = String(wanted.userId ?? wanted.email ?? '')
  if (name === '') return errorReply(400, 'Missing field: userId or email')
  const user = wanted.userId == null ? await byName(services, name) : await byNumber(services, name)
  // asked before it is told whether there is such a user
  if (!mayOpenFor(credentials, user)) {
    return errorReply(403, 'Insufficient permissions (must be a partner)')
  }
  if (user === undefined) return errorReply(404, `User '${name}' not found`)
  const { secret } = await services.signIns.open(credentials.principal, {
    secret: randomUUID(),
    ttlSeconds: SESSION_SECONDS,
    onBehalfOf: user.name,
  })
  return { status: 201, body: { sessionId: secret, user: presentUser(user) } }
}

/** A session opens no other one, so that it ends for good. */
function mayOpenFor({ kind, principal }: Credentials, user: User | undefined): boolean {
  return kind === 'partner_key' || (kind === 'user_key' && user?.name === principal.user)
}

function byName({ users }: AppServices, name: string): Promise<User | undefined> {
  return users.findByName(name)
}

async function byNumber({ users }: AppServices, text: string): Promise<User | undefined> {
  return INTEGER.test(text) ? users.findByNumber(Number(text)) : undefined
}

async function showSession(request: WireRequest): Promise<Reply> {
  const { kind, principal } = await authenticate(request)
  const isPartner = kind === 'partner_key'
  return {
    status: 200,
    body: {
      sessionType: isPartner ? 'PartnerKey' : 'PlainUserSession',
      ...(!isPartner && { userId: String(await request.services.users.numberOf(principal.user)) }),
      isVFOContainerLocked: false,
    },
  }
}

/** Ends the session. Its user's locks go on: they have sessions of their own. */
async function signOut(request: WireRequest): Promise<Reply> {
  const credentials = await authenticate(request)
  if (credentials.kind !== 'user_session') {
    // to say that a key was signed out while it goes on to be good would be worse
    throw new Refusal('unauthenticated', 'a key is not a session, so it cannot be signed out')
  }
  await request.services.signIns.end(credentials.signIn)
  return { status: 200, body: {} }
}
