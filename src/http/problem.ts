import type { IncomingHttpHeaders } from 'node:http'
import type { ErrorCode } from '../locks/errors.ts'
import { CHALLENGES } from './authentication.ts'
import { ERROR_ANSWERS, type Failure } from './failure.ts'
import type { Reply } from './route.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** Wrong fields named in one problem: enough to mend a request by, however many there are. */
const MAX_FIELDS_SHOWN = 20

/** The `type` of RFC 9457. A name and not an address, so that it is the same behind every proxy. */
export function problemType(code: ErrorCode): string {
  return `urn:leasehold:error:${code}`
}

/** A problem document of RFC 9457 with this service's extensions. */
export function problemDocument(
  code: ErrorCode,
  detail: string,
  requestId: string,
  extensions: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const { status, title } = ERROR_ANSWERS[code]
  return { type: problemType(code), title, status, detail, code, request_id: requestId, ...extensions }
}

/** What a presenter may want to know of the request: some dialects choose by the path or the Accept header. */
export interface FailedRequest {
  readonly requestId: string
  readonly method: string
  /** As it was sent, query and all. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
}

/** How a family of routes words its errors. */
export type ErrorPresenter = (failure: Failure, request: FailedRequest) => Reply

/** The native API's errors, and those of every path that no dialect claims. */
export const presentProblem: ErrorPresenter = (failure, { requestId }) => {
  const extensions: Record<string, unknown> = {}
  if (failure.fields.length > 0) extensions.errors = failure.fields.slice(0, MAX_FIELDS_SHOWN)
  if (failure.outcome !== undefined) extensions.outcome = failure.outcome
  return {
    status: failure.status,
    ...(failure.code === 'unauthenticated' && { headers: { 'WWW-Authenticate': CHALLENGES } }),
    type: PROBLEM_TYPE,
    body: problemDocument(failure.code, failure.detail, requestId, extensions),
  }
}
