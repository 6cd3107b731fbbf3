import { z } from 'zod'
import type { Principal } from '../../../locks/api-key.ts'
import { afterChange, Refusal } from '../../../locks/errors.ts'
import { type Credentials, readCredentials } from '../../authentication.ts'
import { parseJson } from '../../json.ts'
import type { Reply } from '../../route.ts'
import { validated } from '../../validation.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import {
  expiredCookie,
  readCookies,
  SIGN_IN_COOKIE,
  SITE_SESSION_COOKIE,
  signInCookie,
  siteSessionCookie,
  userCookie,
  xsrfCookie,
} from './cookies.ts'
import { isJson, XML_OR_JSON } from './negotiation.ts'
import type { AlmSettings } from './settings.ts'
import { openSignIn, openSiteSession, ownSiteSessionOf, secretOf, xsrfTokenOf } from './visit.ts'
import { readXml } from './xml.ts'

const authenticationJson = z.looseObject({
  'alm-authentication': z.looseObject({ user: z.string(), password: z.string() }),
})
const clientJson = z.looseObject({ clientId: z.string(), secret: z.string() })

/** The ways to sign in and out. A user's name is that of a key, and the password is the key. */
export function signInRoutes(settings: AlmSettings): WireRoute[] {
  /** All cookies at once, those of the site session too. */
  const signInWhole = async (request: WireRequest, credentials: Credentials | undefined): Promise<Reply> => {
    const principal = await requireUser(request, credentials)
    const value = await openSignIn(request, settings, principal)
    const siteValue = ownSiteSessionOf(value)
    await afterChange(() => openSiteSession(request, settings, principal, siteValue))
    return {
      status: 200,
      headers: {
        'Set-Cookie': [
          signInCookie(value),
          siteSessionCookie(siteValue),
          userCookie(principal.user),
          xsrfCookie(xsrfTokenOf(value)),
        ],
      },
    }
  }
  const signInOnly = async (request: WireRequest, credentials: Credentials | undefined): Promise<Reply> => {
    const value = await openSignIn(request, settings, await requireUser(request, credentials))
    return { status: 200, headers: { 'Set-Cookie': [signInCookie(value)] } }
  }
  return [
    {
      method: 'POST',
      path: '/qcbin/api/authentication/sign-in',
      statuses: [200, 401],
      handle: request => signInWhole(request, readCredentials(request.headers.authorization)),
    },
    {
      method: 'POST',
      path: '/qcbin/rest/oauth2/login',
      statuses: [200, 400, 401, 413, 415],
      async handle(request) {
        const bytes = await request.body(['application/json'])
        const { clientId, secret } = validated(clientJson, parseJson(bytes), 'body')
        return signInWhole(request, { user: clientId, key: secret })
      },
    },
    {
      method: 'POST',
      path: '/qcbin/authentication-point/alm-authenticate',
      statuses: [200, 400, 401, 413, 415],
      async handle(request) {
        return signInOnly(request, await readAuthentication(request))
      },
    },
    {
      method: 'GET',
      path: '/qcbin/authentication-point/authenticate',
      statuses: [200, 401],
      handle: request => signInOnly(request, readCredentials(request.headers.authorization)),
    },
    ...(['GET', 'POST'] as const).flatMap(method =>
      ['/qcbin/authentication-point/logout', '/qcbin/api/authentication/sign-out'].map(
        (path): WireRoute => ({ method, path, statuses: [200], handle: signOut }),
      ),
    ),
  ]
}

/** Ends whatever the cookies name, and is as content where nothing of it is left. */
async function signOut(request: WireRequest): Promise<Reply> {
  const cookies = readCookies(request.headers.cookie)
  const [signInValue, siteValue] = [cookies.get(SIGN_IN_COOKIE), cookies.get(SITE_SESSION_COOKIE)]
  const siteSecrets = [siteValue, signInValue && ownSiteSessionOf(signInValue)].flatMap(value =>
    value === undefined ? [] : secretOf(SITE_SESSION_COOKIE, value),
  )
  const secrets = [
    ...new Set(siteSecrets),
    // the last to go: a sign-out that failed half-way can be sent again
    ...(signInValue === undefined ? [] : [secretOf(SIGN_IN_COOKIE, signInValue)]),
  ]
  const found = await request.services.signIns.touch(secrets, request.origin)
  let hasEnded = false
  for (const signIn of found) {
    if (signIn === undefined) continue
    request.actsFor(signIn.principal)
    const end = () => request.services.signIns.end(signIn)
    if (await (hasEnded ? afterChange(end) : end())) hasEnded = true
  }
  return {
    status: 200,
    headers: { 'Set-Cookie': [expiredCookie(SIGN_IN_COOKIE), expiredCookie(SITE_SESSION_COOKIE)] },
  }
}

async function requireUser(request: WireRequest, credentials: Credentials | undefined): Promise<Principal> {
  if (credentials?.user === undefined) {
    throw new Refusal('unauthenticated', 'say who you are: a user and, as the password, a key of that user')
  }
  const principal = await request.services.signIns.verify(credentials.user, credentials.key, request.origin)
  if (principal === undefined) {
    throw new Refusal(
      'unauthenticated',
      'the key is not in force, or belongs to another user than the one named',
    )
  }
  request.actsFor(principal)
  return principal
}

/** `<alm-authentication><user>…</user><password>…</password></alm-authentication>`, or the same in JSON. */
async function readAuthentication(request: WireRequest): Promise<Credentials | undefined> {
  const bytes = await request.body(XML_OR_JSON)
  if (bytes.length === 0) return undefined
  if (isJson(request.headers)) {
    const { user, password } = validated(authenticationJson, parseJson(bytes), 'body')['alm-authentication']
    return { user, key: password }
  }
  const root = readXml(bytes)
  const textOf = (name: string) => root.children.find(child => child.name === name)?.text
  const [user, password] = [textOf('user'), textOf('password')]
  if (root.name !== 'alm-authentication' || user === undefined || password === undefined) {
    throw new Refusal('invalid_request', 'the body needs <alm-authentication> with <user> and <password>')
  }
  return { user, key: password }
}
