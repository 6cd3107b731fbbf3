/** Every code that an error of ours can carry. Clients rely on them: codes are added, never renamed. */
export const ERROR_CODES = [
  'invalid_request',
  'unauthenticated',
  'forbidden',
  'not_found',
  'lock_not_found',
  'session_not_found',
  'resource_not_found',
  'key_not_found',
  'method_not_allowed',
  'not_acceptable',
  'session_expired',
  'lock_conflict',
  'resource_has_children',
  'payload_too_large',
  'uri_too_long',
  'unsupported_media_type',
  'rate_limited',
  'internal',
  'not_ready',
  'resource_contended',
  'database_unavailable',
  'database_timeout',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

/** A place in a request that is wrong: `resources[1].id`, `query limit`, `header Authorization`. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

/** A request that is refused. The message says what is so and what the caller can do; it is shown to clients. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: ErrorCode
  readonly fields: readonly FieldError[]
  /** When it is worth trying again. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: { fields?: readonly FieldError[]; retryAfterSeconds?: number } = {},
  ) {
    super(message)
    this.code = code
    this.fields = options.fields ?? []
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/**
 * The database could not answer. `outcome` says what is known of the change that was asked for: `unchanged`
 * where it certainly did not happen, `unknown` where it may have. Never an answer about a lock.
 */
export class DatabaseTrouble extends Error {
  override readonly name = 'DatabaseTrouble'
  readonly code: 'database_unavailable' | 'database_timeout'
  readonly outcome: 'unchanged' | 'unknown'

  constructor(
    code: 'database_unavailable' | 'database_timeout',
    outcome: 'unchanged' | 'unknown',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.code = code
    this.outcome = outcome
  }
}

/**
 * Trouble of one of several changes that are answered together: what left nothing changed by itself comes when
 * others of them may have been made already.
 */
export function troubleOfMany(error: unknown): unknown {
  if (!(error instanceof DatabaseTrouble) || error.outcome === 'unknown') return error
  return new DatabaseTrouble(error.code, 'unknown', error.message, { cause: error.cause })
}

/** Does what follows a change of the same request: whatever its trouble says of itself, something was changed. */
export async function afterChange<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw troubleOfMany(error)
  }
}
