import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import { MAX_NAME_BYTES, type Session } from '../../../locks/session.ts'
import type { SignIn } from '../../../locks/sign-in.ts'
import type { WireRequest } from '../../wire-route.ts'
import {
  readCookies,
  SIGN_IN_COOKIE,
  SITE_SESSION_COOKIE,
  signInCookie,
  siteSessionCookie,
  xsrfCookie,
} from './cookies.ts'
import { AlmError } from './errors.ts'
import { namespaceOf } from './project.ts'
import type { AlmSettings } from './settings.ts'

/** A request about a project, of somebody who is signed in and has a site session, which holds the locks. */
export interface Visit {
  readonly principal: Principal
  readonly namespace: string
  readonly siteSession: Session
  /** For the answer: Set-Cookie fields. */
  readonly cookies: readonly string[]
}

/** What the cookies of a request stand for, after a touch. */
export interface Presence {
  readonly signInValue: string
  readonly signIn: SignIn
  /** The site session of the QCSession cookie, or without one the sign-in's own; undefined where it has ended. */
  readonly site: SignIn | undefined
  /** False: the client did not show it. */
  readonly isSiteShown: boolean
}

const SIGN_IN_CLIENT = 'ALM sign-in'
const XSRF_TITLE = 'Unauthorized request. For more details see XSRF Token section in REST API documentation.'

/** 192 bits, which no cookie has to escape. */
export function newCookieValue(): string {
  return randomBytes(24).toString('base64url')
}

/**
 * What is known to the service of a cookie's value: with its name before it, so that no cookie does for another,
 * nor for what another dialect hands out.
 */
export function secretOf(cookie: typeof SIGN_IN_COOKIE | typeof SITE_SESSION_COOKIE, value: string): string {
  return `${cookie}=${value}`
}

/**
 * The site session that a sign-in has without asking for one. Derived, so that a client that never sends QCSession
 * back comes to the same session, and its locks, with every request.
 */
export function ownSiteSessionOf(signInValue: string): string {
  return derived('QCSession', signInValue)
}

/** Derived, so that nothing has to be stored; what it is derived from cannot be had from it. */
export function xsrfTokenOf(signInValue: string): string {
  return derived('XSRF-TOKEN', signInValue)
}

export async function openSignIn({ services }: WireRequest, settings: AlmSettings, principal: Principal) {
  const value = newCookieValue()
  await services.signIns.open(principal, {
    secret: secretOf(SIGN_IN_COOKIE, value),
    client: SIGN_IN_CLIENT,
    ttlSeconds: settings.sessionSeconds,
  })
  return value
}

/** `client`: the program, as it calls itself; undefined: as its User-Agent does. */
export async function openSiteSession(
  request: WireRequest,
  settings: AlmSettings,
  principal: Principal,
  value: string,
  client?: string,
): Promise<Session> {
  const { session } = await request.services.signIns.open(principal, {
    secret: secretOf(SITE_SESSION_COOKIE, value),
    client: client ?? programOf(request),
    ttlSeconds: settings.sessionSeconds,
  })
  return session
}

/**
 * Touches the sign-in and the site session that the cookies name; 401 without a live sign-in. `issuesToken`: the
 * answer hands out the XSRF token, so that the request cannot have it.
 */
export async function requirePresence(
  request: WireRequest,
  settings: AlmSettings,
  { issuesToken = false } = {},
): Promise<Presence> {
  const cookies = readCookies(request.headers.cookie)
  const signInValue = cookies.get(SIGN_IN_COOKIE)
  if (signInValue === undefined) return refuse('sign in first: the cookie LWSSO_COOKIE_KEY is missing')
  if (!issuesToken) requireXsrfToken(request, settings, signInValue)
  const shown = cookies.get(SITE_SESSION_COOKIE)
  const [signIn, site] = await request.services.signIns.touch(
    [
      secretOf(SIGN_IN_COOKIE, signInValue),
      secretOf(SITE_SESSION_COOKIE, shown ?? ownSiteSessionOf(signInValue)),
    ],
    request.origin,
  )
  if (signIn === undefined) return refuse('the sign-in has ended or expired; sign in again')
  request.actsFor(signIn.principal)
  if (site !== undefined && site.principal.user !== signIn.principal.user) {
    return refuse('the cookies LWSSO_COOKIE_KEY and QCSession are of different users')
  }
  return { signInValue, signIn, site, isSiteShown: shown !== undefined }
}

/**
 * The same with a site session in any case. One that has ended is replaced without a word, as the vendor's servers
 * do: its locks are gone, and the client may go on.
 */
export async function requireVisit(request: WireRequest, settings: AlmSettings): Promise<Visit> {
  const { signInValue, signIn, site, isSiteShown } = await requirePresence(request, settings)
  const { principal } = signIn
  const namespace = namespaceOf(request)
  request.actsFor(principal, namespace)
  const cookies = [signInCookie(signInValue)]
  if (site !== undefined && isSiteShown) {
    return { principal, namespace, siteSession: site.session, cookies }
  }
  const own = ownSiteSessionOf(signInValue)
  const siteSession = site?.session ?? (await openSiteSession(request, settings, principal, own))
  cookies.push(siteSessionCookie(own), xsrfCookie(xsrfTokenOf(signInValue)))
  return { principal, namespace, siteSession, cookies }
}

/** A header that is wrong is refused in any case; one that is missing, where the settings want it. */
function requireXsrfToken(
  { method, headers }: WireRequest,
  settings: AlmSettings,
  signInValue: string,
): void {
  if (method === 'GET' || method === 'HEAD') return
  const shown = headers['x-xsrf-token']
  if (shown === undefined && !settings.requiresXsrfToken) return
  if (typeof shown !== 'string' || !areEqual(shown, xsrfTokenOf(signInValue))) {
    throw new AlmError(401, 'qccore.general-error', XSRF_TITLE)
  }
}

function areEqual(one: string, other: string): boolean {
  const [left, right] = [one, other].map(text => createHash('sha256').update(text).digest())
  return left !== undefined && right !== undefined && timingSafeEqual(left, right)
}

function derived(purpose: string, signInValue: string): string {
  return createHash('sha256')
    .update(purpose + signInValue)
    .digest('base64url')
}

/** The first product of the User-Agent: `Jakarta` of `Jakarta Commons-HttpClient/3.1`. */
function programOf({ headers }: WireRequest): string | null {
  const product = /^[\w!#$%&'*+.^`|~-]+(?:\/[\w!#$%&'*+.^`|~-]+)?/.exec(headers['user-agent'] ?? '')?.[0]
  return product === undefined || product.length > MAX_NAME_BYTES ? null : product
}

function refuse(message: string): never {
  throw new Refusal('unauthenticated', message)
}
