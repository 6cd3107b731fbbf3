import { Refusal } from '../../../locks/errors.ts'
import type { Resource } from '../../../locks/resource.ts'
import type { ErrorPresenter } from '../../problem.ts'
import type { Reply } from '../../route.ts'
import { mediaTypeFor } from './media-type.ts'
import { objectTypeOf } from './object-types.ts'
import type { PolarisSettings } from './settings.ts'

/** The vendor's number for a lock of somebody else; its other numbers are not published. */
const LOCK_ERROR_CODE = 70_000

/** What clients match: the text of the vendor's 409. */
const LOCK_MESSAGE = "Exception of type 'Polaris.Common.Exceptions.PolarisObjectLockException' was thrown."

/** How to sign in, where it is done, and how to show it everywhere else. */
const CHALLENGES: readonly (readonly [path: RegExp, challenges: readonly string[]])[] = [
  [/\/authentication\/staffuser\/oauth$/i, ['Bearer realm="leasehold"']],
  [/\/authentication\/staffuser$/i, ['Basic realm="leasehold", charset="UTF-8"']],
  [/^/, ['PAS realm="leasehold"', 'Bearer realm="leasehold"']],
]

/** What every error looks like. Of kinds that the vendor does not number, ErrorCode is the status. */
interface ExceptionBody {
  readonly ErrorCode: number
  readonly Message: string
  readonly MessageDetail: string | null
  readonly StackTrace: null
  readonly InnerException: null
  readonly Data: unknown
}

export const presentPolarisError: ErrorPresenter = (failure, { target, headers }) => {
  const path = target.split('?')[0] ?? ''
  const [, challenges] = CHALLENGES.find(([pattern]) => pattern.test(path)) ?? []
  return {
    status: failure.status,
    type: mediaTypeFor(headers.accept),
    ...(failure.code === 'unauthenticated' &&
      challenges !== undefined && { headers: { 'WWW-Authenticate': challenges } }),
    body: exceptionBody({
      code: failure.status,
      message: failure.detail,
      detail: failure.fields.map(({ field, message }) => `${field} ${message}`).join('; ') || null,
    }),
  }
}

/** Somebody else's lock is in the way; `data` tells whose. */
export function lockRefused(data: object, type: string): Reply {
  return {
    status: 409,
    type,
    body: exceptionBody({ code: LOCK_ERROR_CODE, message: LOCK_MESSAGE, detail: null, data }),
  }
}

/** The namespace is closed, and its catalogue does not have these. */
export function objectsNotFound({ types }: PolarisSettings, resources: readonly Resource[]): never {
  const [first] = resources
  const type = first === undefined ? undefined : objectTypeOf(types, first.type)
  throw new Refusal('resource_not_found', `there is no object ${first?.id} of type ${type}`)
}

/** A part of the request that is no acceptable value. */
export function invalid(field: string, message: string): never {
  throw new Refusal('invalid_request', `${field} ${message}`, { fields: [{ field, message }] })
}

function exceptionBody(of: {
  code: number
  message: string
  detail: string | null
  data?: object
}): ExceptionBody {
  return {
    ErrorCode: of.code,
    Message: of.message,
    MessageDetail: of.detail,
    StackTrace: null,
    InnerException: null,
    Data: of.data ?? null,
  }
}
