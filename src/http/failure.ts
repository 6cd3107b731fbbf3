import { DatabaseTrouble, type ErrorCode, type FieldError, Refusal } from '../locks/errors.ts'

/**
 * How each code is answered. The titles are the same for every occurrence, as RFC 9457 wants; what is
 * particular to one is in the detail.
 */
export const ERROR_ANSWERS: Record<ErrorCode, { readonly status: number; readonly title: string }> = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'A valid key is needed' },
  forbidden: { status: 403, title: 'This is not allowed' },
  not_found: { status: 404, title: 'There is nothing at this path' },
  lock_not_found: { status: 404, title: 'There is no such lock' },
  session_not_found: { status: 404, title: 'There is no such session' },
  resource_not_found: { status: 404, title: 'The catalogue has no such resource' },
  key_not_found: { status: 404, title: 'There is no such key' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  not_acceptable: { status: 406, title: 'No acceptable form of the answer exists' },
  session_expired: { status: 409, title: 'The session has ended' },
  lock_conflict: { status: 409, title: 'Somebody else holds the lock' },
  resource_has_children: { status: 409, title: 'The resource has children' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The request target is too long' },
  unsupported_media_type: { status: 415, title: 'The media type is not supported' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong in the service' },
  not_ready: { status: 503, title: 'The service is not ready' },
  resource_contended: { status: 503, title: 'Others are at work on the resource' },
  database_unavailable: { status: 503, title: 'The database cannot be used' },
  database_timeout: { status: 504, title: 'The database did not answer in time' },
}

/** Database trouble passes or does not; a second is long enough for a failover to have begun. */
const TROUBLE_RETRY_SECONDS = 1

/** An error of any kind, in the shape that presenters and the log need. */
export interface Failure {
  readonly code: ErrorCode
  readonly status: number
  /** What is so and what the caller can do; fit to be shown. */
  readonly detail: string
  readonly fields: readonly FieldError[]
  readonly retryAfterSeconds: number | undefined
  /** Only with trouble of the database: whether the change that was asked for may have happened. */
  readonly outcome: 'unchanged' | 'unknown' | undefined
  /** What was thrown, for the log alone. Undefined for a refusal, which is no fault. */
  readonly cause: unknown
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Refusal) {
    return {
      code: error.code,
      status: ERROR_ANSWERS[error.code].status,
      detail: error.message,
      fields: error.fields,
      retryAfterSeconds: error.retryAfterSeconds,
      outcome: undefined,
      cause: undefined,
    }
  }
  if (error instanceof DatabaseTrouble) {
    return {
      code: error.code,
      status: ERROR_ANSWERS[error.code].status,
      detail:
        error.outcome === 'unknown'
          ? `${error.message}; whether the change happened is not known: an acquire, touch or release that names the same session or lock can be sent again`
          : `${error.message}; nothing was changed, and the same request can be sent again`,
      fields: [],
      retryAfterSeconds: TROUBLE_RETRY_SECONDS,
      outcome: error.outcome,
      cause: error,
    }
  }
  return {
    code: 'internal',
    status: ERROR_ANSWERS.internal.status,
    detail: 'the service met an error that it did not expect; its log has it under this request id',
    fields: [],
    retryAfterSeconds: undefined,
    outcome: undefined,
    cause: error,
  }
}
