import type { IncomingHttpHeaders } from 'node:http'
import type { ErrorCode } from '../../../locks/errors.ts'
import type { Failure } from '../../failure.ts'
import type { ErrorPresenter } from '../../problem.ts'
import { pathOf } from '../../request-target.ts'
import type { Reply } from '../../route.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { type Form, formsAt, MEDIA_TYPES, preferredForm } from './negotiation.ts'
import { element, escapeXml, xmlDocument } from './xml.ts'

/** The vendor's names of what can be wrong, those that are used here. */
export type ErrorId =
  | 'qccore.entity-not-found'
  | 'qccore.general-error'
  | 'qccore.invalid-filter-expression'
  | 'qccore.invalid-value-type-for-field'
  | 'qccore.lock-failure'
  | 'qccore.operation-forbidden'
  | 'qccore.required-field-missing'
  | 'qccore.session-has-expired'
  | 'qccore.unknown-field-name'

/** A refusal in the vendor's own words, where the codes of the service do not tell enough. */
export class AlmError extends Error {
  override readonly name = 'AlmError'
  readonly status: number
  readonly id: ErrorId

  constructor(status: number, id: ErrorId, title: string) {
    super(title)
    this.status = status
    this.id = id
  }
}

const IDS: Partial<Record<ErrorCode, ErrorId>> = {
  forbidden: 'qccore.operation-forbidden',
  lock_not_found: 'qccore.entity-not-found',
  resource_not_found: 'qccore.entity-not-found',
  lock_conflict: 'qccore.lock-failure',
  session_expired: 'qccore.session-has-expired',
  session_not_found: 'qccore.session-has-expired',
}

/** A site session that ended while its request was under way: signing in again helps, as with any other 401. */
const ENDED_MEANWHILE: readonly ErrorCode[] = ['session_expired', 'session_not_found']

/** Where a client that has to sign in is sent; its own challenge for each way to do so. */
const AUTHENTICATION_POINT = '/qcbin/authentication-point'
const CHALLENGES: Readonly<Record<string, string>> = {
  [`${AUTHENTICATION_POINT}/authenticate`]: 'Basic realm="ALM", charset="UTF-8"',
  [`${AUTHENTICATION_POINT}/alm-authenticate`]: 'ALMAUTH',
  '/qcbin/api/authentication/sign-in': 'Basic realm="ALM", charset="UTF-8"',
}

export function errorReply(form: Form, status: number, id: string, title: string): Reply {
  return {
    status,
    type: MEDIA_TYPES[form],
    body:
      form === 'json'
        ? { Id: id, Title: title, ExceptionProperties: null, StackTrace: null }
        : xmlDocument(
            element('QCRestException', element('Id', escapeXml(id)) + element('Title', escapeXml(title))),
          ),
  }
}

export const presentAlmError: ErrorPresenter = (failure, { target, headers }) => {
  const path = pathOf(target)
  const status = statusOf(failure)
  const reply = errorReply(
    formFor(path, headers),
    status,
    IDS[failure.code] ?? 'qccore.general-error',
    failure.detail,
  )
  return status === 401 ? { ...reply, headers: { 'WWW-Authenticate': challengeFor(path, headers) } } : reply
}

/** Refuses what a body says, or does not, of a field. */
export function wrongField(field: string, value: unknown): never {
  if (value === undefined || value === null || value === '') {
    throw new AlmError(400, 'qccore.required-field-missing', `The field ${field} is required.`)
  }
  throw new AlmError(
    400,
    'qccore.invalid-value-type-for-field',
    `The value of the field ${field} is not valid.`,
  )
}

/** A route whose handler may throw AlmError. */
export function almRoute(route: WireRoute): WireRoute {
  return {
    ...route,
    async handle(request: WireRequest): Promise<Reply> {
      try {
        return await route.handle(request)
      } catch (error) {
        if (!(error instanceof AlmError)) throw error
        const reply = errorReply(formFor(route.path, request.headers), error.status, error.id, error.message)
        return error.status === 401
          ? { ...reply, headers: { 'WWW-Authenticate': challengeFor(route.path, request.headers) } }
          : reply
      }
    },
  }
}

function statusOf({ code, status }: Failure): number {
  return ENDED_MEANWHILE.includes(code) ? 401 : status
}

/** Whoever accepts neither form gets the usual one: an error that is not shown helps nobody. */
function formFor(path: string, headers: IncomingHttpHeaders): Form {
  const forms = formsAt(path)
  return preferredForm(headers, forms) ?? forms[0]
}

/**
 * Some clients read the address to sign in at from the realm, and send their password there. Its scheme is known
 * only from a proxy that says it: a guess could make them send it in clear.
 */
function challengeFor(path: string, headers: IncomingHttpHeaders): string {
  const own = CHALLENGES[path]
  if (own !== undefined) return own
  const scheme = headers['x-forwarded-proto']
  const isKnown = scheme === 'http' || scheme === 'https'
  const origin = isKnown && /^[\w.:[\]-]+$/.test(headers.host ?? '') ? `${scheme}://${headers.host}` : ''
  return `LWSSO realm="${origin}${AUTHENTICATION_POINT}"`
}
