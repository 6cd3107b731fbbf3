import type { IncomingMessage } from 'node:http'
import { Refusal } from '../locks/errors.ts'

/** Headers of which Node takes the first and drops the others, and others the last: they would read another request. */
const ONCE = new Set(['host', 'authorization', 'content-type'])

/**
 * Refuses a head that a proxy could read in another way than this service, or that asks for what it does not do. What
 * is left is one request to everybody (RFC 9112, section 11).
 */
export function requireProperHead(request: IncomingMessage): void {
  const { headers, rawHeaders, httpVersionMinor } = request
  if (headers.host === undefined && httpVersionMinor > 0) {
    refuse('Host', 'is missing', 'HTTP/1.1 wants a Host header')
  }
  requireOnce(rawHeaders)
  const coding = headers['transfer-encoding']
  if (coding !== undefined) {
    if (httpVersionMinor === 0) refuse('Transfer-Encoding', 'is none of HTTP/1.0')
    if (coding.toLowerCase() !== 'chunked') refuse('Transfer-Encoding', 'must be chunked: no other is known')
  }
  const { expect } = headers
  // a list: it may be said more than once (RFC 9110, section 10.1.1)
  if (expect?.split(',').some(expectation => expectation.trim().toLowerCase() !== '100-continue')) {
    refuse('Expect', 'must be 100-continue: no other is known')
  }
}

function requireOnce(rawHeaders: readonly string[]): void {
  let seen: Set<string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] ?? ''
    // most headers are none of these lengths
    if (raw.length !== 4 && raw.length !== 13 && raw.length !== 12) continue
    const name = raw.toLowerCase()
    if (!ONCE.has(name)) continue
    seen ??= new Set()
    if (seen.has(name)) refuse(raw, 'is given more than once')
    seen.add(name)
  }
}

function refuse(name: string, message: string, detail = `the header ${name} ${message}`): never {
  throw new Refusal('invalid_request', detail, { fields: [{ field: `header ${name}`, message }] })
}
