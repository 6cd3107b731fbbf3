import { Refusal } from '../locks/errors.ts'

/** Longest request target, in bytes. A lock's longest path is some 4.7 KB with every byte escaped. */
export const MAX_TARGET_BYTES = 8192

/** `http://host/path`, as clients send it that take the service for a proxy; HTTP/1.1 wants it understood. */
const WITH_AUTHORITY = /^https?:\/\/[\w.~:[\]-]+(?=[/?]|$)/i
const VISIBLE_ASCII = /^[\x21-\x7e]+$/
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/

/**
 * Refuses a request target that does not stand for exactly one text. Routers let a malformed escape pass as
 * raw text, where it becomes a second name of something else: two names for one lock, or two locks for one
 * name. So this comes before any routing.
 */
export function requireProperTarget(target: string): void {
  if (target.length > MAX_TARGET_BYTES) {
    throw new Refusal('uri_too_long', `the request target is longer than ${MAX_TARGET_BYTES} bytes`)
  }
  if (!target.startsWith('/') && !WITH_AUTHORITY.test(target)) refuse('path', 'does not begin with a slash')
  const queryAt = target.indexOf('?')
  requireProperPart(queryAt === -1 ? target : target.slice(0, queryAt), 'path')
  if (queryAt !== -1 && queryAt < target.length - 1) requireProperPart(target.slice(queryAt + 1), 'query')
}

/** A proper target as it is when it begins with its path. */
export function withoutAuthority(target: string): string {
  if (target.startsWith('/')) return target
  const rest = target.replace(WITH_AUTHORITY, '')
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** The path of a request target, whether or not it is proper. */
export function pathOf(target: string): string {
  const path = target.replace(WITH_AUTHORITY, '')
  const queryAt = path.indexOf('?')
  return queryAt === -1 ? path : path.slice(0, queryAt)
}

function requireProperPart(text: string, field: string): void {
  // what is behind a # is no part of a target, and clients that forget to escape it would mean another thing
  if (!VISIBLE_ASCII.test(text) || text.includes('#')) {
    refuse(field, 'has a character that must be percent-encoded')
  }
  if (!text.includes('%')) return
  if (BAD_ESCAPE.test(text)) refuse(field, 'has a % that is not followed by two hexadecimal digits')
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    refuse(field, 'has escapes that are not UTF-8')
  }
  if (decoded.includes('\0')) refuse(field, 'has %00, which no text may contain')
}

function refuse(field: string, message: string): never {
  throw new Refusal('invalid_request', `the request target is malformed: its ${field} ${message}`, {
    fields: [{ field, message }],
  })
}

/**
 * The parameters of a query string that was found proper. A repeated one is refused: whichever of the two
 * were taken, somebody would mean the other.
 */
export function queryParameters(querystring: string): Record<string, string> {
  const parameters: Record<string, string> = Object.create(null)
  if (querystring === '') return parameters
  for (const [name, value] of new URLSearchParams(querystring)) {
    if (name in parameters) {
      throw new Refusal('invalid_request', 'a query parameter is given twice', {
        fields: [{ field: `query ${name}`, message: 'is given more than once' }],
      })
    }
    parameters[name] = value
  }
  return parameters
}
