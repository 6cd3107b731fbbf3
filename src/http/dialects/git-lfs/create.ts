import { z } from 'zod'
import { Refusal } from '../../../locks/errors.ts'
import { MAX_METADATA_BYTES } from '../../../locks/lock.ts'
import { MAX_NAME_BYTES } from '../../../locks/session.ts'
import { acquireLocks } from '../../acquiring.ts'
import { resourceId } from '../../v1/schemas.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { bodyOf } from './body.ts'
import { callerOf } from './caller.ts'
import { lfsReply, presentLock, whoHolds } from './presenter.ts'
import { isPlainPath, REPOSITORY_PATH } from './repository.ts'

/** `git-lfs/3.3.0 (GitHub; linux amd64; go 1.19.8)`: what stands before the first space. */
const PRODUCT = /^[\w!#$%&'*+.^`|~/-]+/

const createBody = z.object({
  path: resourceId.refine(isPlainPath, {
    error: 'must be written as Git writes it: from the root of the repository, with / between its parts',
  }),
  ref: z
    .object({ name: z.string().nullish() })
    .refine(ref => Buffer.byteLength(JSON.stringify(ref)) <= MAX_METADATA_BYTES, {
      error: `must be at most ${MAX_METADATA_BYTES} bytes of JSON`,
    })
    .nullish(),
})

/**
 * Takes a file until it is released. Whoever holds it already gets the same lock again, so that the call can be
 * repeated after a lost answer.
 */
export const createRoute: WireRoute = {
  method: 'POST',
  path: `${REPOSITORY_PATH}/locks`,
  statuses: [200, 201, 401, 403, 404, 409, 413, 415, 422],
  async handle(request) {
    const { principal, namespace, type } = await callerOf(request)
    const { path, ref } = await bodyOf(request, createBody)
    const outcome = await acquireLocks(request.services, principal, {
      resources: [{ namespace, type, id: path }],
      ttlSeconds: null,
      reentry: 'user',
      client: clientOf(request),
      metadata: ref?.name ? { ref: ref.name } : {},
    })
    if (outcome.kind !== 'granted' && outcome.kind !== 'conflict') {
      throw new Refusal(
        'resource_not_found',
        `the namespace ${namespace} is closed, and its catalogue has no ${type} ${path}`,
      )
    }
    const [lock, status] =
      outcome.kind === 'conflict'
        ? [outcome.conflicts[0], 409]
        : [outcome.grants[0]?.lock, outcome.grants[0]?.existing ? 200 : 201]
    if (lock === undefined) throw new Error(`${outcome.kind} without a lock`)
    return lfsReply(status, {
      lock: presentLock(lock),
      // any message in a 2xx is taken for a failure
      ...(outcome.kind === 'conflict' && { message: whoHolds(lock), request_id: request.requestId }),
    })
  },
}

function clientOf({ headers }: WireRequest): string | null {
  const product = PRODUCT.exec(headers['user-agent'] ?? '')?.[0]
  return product !== undefined && product.length <= MAX_NAME_BYTES ? product : null
}
