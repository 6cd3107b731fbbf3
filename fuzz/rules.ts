import type { Answer } from './answer.ts'

/** A request as it went out. */
export interface Sent {
  readonly what: string
  readonly method: string
  readonly target: string
  readonly isHeadProper: boolean
}

/** What is wrong with an answer; undefined: nothing. */
export type Verdict = string | undefined

/** Others were at work on the same resource: documented, and told apart from trouble by what it says. */
const CONTENDED = /others are at work on the same resources/

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/

/** Rules that hold for every answer of every API. */
export function generalVerdict({ what, method }: Sent, answer: Answer): Verdict {
  const { status, headers, body } = answer
  if (status >= 500 && !isContended(answer, method)) return `${what}: ${status}`
  if (!REQUEST_ID.test(headers.get('x-request-id') ?? '')) return `${what}: ${status} without a request id`
  if (headers.get('x-content-type-options') !== 'nosniff') return `${what}: ${status} without nosniff`
  if (headers.has('x-injected')) return `${what}: a header came out of the request`
  if (status === 405 && !headers.has('allow')) return `${what}: 405 without Allow`
  if ((status === 429 || status === 503) && !headers.has('retry-after')) {
    return `${what}: ${status} without Retry-After`
  }
  const type = headers.get('content-type') ?? ''
  if (body.length > 0 && type === '') return `${what}: ${status} with a body of no type`
  if (/json/.test(type) && body.length > 0 && jsonOf(answer) === undefined) {
    return `${what}: ${status} says that it is JSON and is not`
  }
  return undefined
}

export function isContended({ status, body }: Answer, method: string): boolean {
  return status === 503 && (method === 'HEAD' || CONTENDED.test(body.toString()))
}

/** Bodies are looked at by several rules, and some of them are large. */
const parsed = new WeakMap<Answer, { readonly json: unknown }>()

/** The body as JSON; undefined where it is none. */
export function jsonOf(answer: Answer): unknown {
  let found = parsed.get(answer)
  if (found === undefined) {
    found = { json: parse(answer.body.toString()) }
    parsed.set(answer, found)
  }
  return found.json
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
