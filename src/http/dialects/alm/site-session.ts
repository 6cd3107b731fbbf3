import { z } from 'zod'
import { Refusal } from '../../../locks/errors.ts'
import { MAX_NAME_BYTES } from '../../../locks/session.ts'
import { parseJson } from '../../json.ts'
import type { Reply } from '../../route.ts'
import { validated } from '../../validation.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { expiredCookie, SITE_SESSION_COOKIE, siteSessionCookie, userCookie, xsrfCookie } from './cookies.ts'
import { isJson, MEDIA_TYPES, requireForm, XML_OR_JSON } from './negotiation.ts'
import type { AlmSettings } from './settings.ts'
import { newCookieValue, openSiteSession, requirePresence, xsrfTokenOf } from './visit.ts'
import { element, escapeXml, readXml, xmlDocument } from './xml.ts'

const parametersJson = z.looseObject({
  'session-parameters': z.looseObject({ 'client-type': z.string().optional() }).optional(),
})

/** The session that holds a client's locks: all of them end with it. */
export function siteSessionRoutes(settings: AlmSettings): WireRoute[] {
  const path = '/qcbin/rest/site-session'
  /** Tells whether it lives, and is a sign of life. Opens none: this is how a client finds out that its locks are gone. */
  const extend = async (request: WireRequest): Promise<Reply> => {
    const { site } = await requirePresence(request, settings)
    if (site !== undefined) return { status: 200 }
    throw new Refusal('session_expired', 'there is no site session, or it has ended and its locks with it')
  }
  return [
    {
      method: 'POST',
      path,
      statuses: [201, 400, 401, 413, 415],
      async handle(request) {
        const client = await readClientType(request)
        const { signInValue, signIn } = await requirePresence(request, settings, { issuesToken: true })
        const value = newCookieValue()
        await openSiteSession(request, settings, signIn.principal, value, client)
        const { user } = signIn.principal
        return {
          status: 201,
          headers: {
            'Set-Cookie': [siteSessionCookie(value), userCookie(user), xsrfCookie(xsrfTokenOf(signInValue))],
          },
        }
      },
    },
    { method: 'GET', path, statuses: [200, 401], handle: extend },
    { method: 'PUT', path, statuses: [200, 401], handle: extend },
    {
      method: 'DELETE',
      path,
      statuses: [200, 401],
      async handle(request) {
        const { site } = await requirePresence(request, settings)
        if (site !== undefined) await request.services.signIns.end(site)
        return { status: 200, headers: { 'Set-Cookie': [expiredCookie(SITE_SESSION_COOKIE)] } }
      },
    },
    {
      method: 'GET',
      path: '/qcbin/rest/is-authenticated',
      statuses: [200, 401, 406],
      async handle(request) {
        const form = requireForm(request.headers, ['xml'])
        const { signIn } = await requirePresence(request, settings)
        const user = element('Username', escapeXml(signIn.principal.user))
        return {
          status: 200,
          type: MEDIA_TYPES[form],
          body: xmlDocument(element('AuthenticationInfo', user)),
        }
      },
    },
  ]
}

/** What the body says of the program; it needs none. */
async function readClientType(request: WireRequest): Promise<string | undefined> {
  const bytes = await request.body(XML_OR_JSON)
  if (bytes.length === 0) return undefined
  const named = isJson(request.headers)
    ? validated(parametersJson, parseJson(bytes), 'body')['session-parameters']?.['client-type']
    : readXml(bytes).children.find(({ name }) => name === 'client-type')?.text
  if (named === undefined || named === '') return undefined
  if (Buffer.byteLength(named) > MAX_NAME_BYTES) {
    throw new Refusal('invalid_request', `client-type has at most ${MAX_NAME_BYTES} bytes of UTF-8`)
  }
  return named
}
