import { z } from 'zod'
import { requireRole } from '../../../locks/access.ts'
import { queryParameters } from '../../request-target.ts'
import { isRowId } from '../../v1/schemas.ts'
import { validated } from '../../validation.ts'
import type { WireRoute } from '../../wire-route.ts'
import { bodyOf } from './body.ts'
import { callerOf } from './caller.ts'
import { cursor, pageOf } from './pages.ts'
import { lfsReply, presentLock } from './presenter.ts'
import { REPOSITORY_PATH } from './repository.ts'

/** Lock ids begin at 1. */
const NO_LOCK = '0'

/** Parameters without a value count as not given. `refspec` is not among them: see `listRoute`. */
const listQuery = z.object({
  path: z.string().default(''),
  id: z.string().default(''),
  cursor: cursor.optional(),
  limit: z
    .string()
    .regex(/^\d{0,15}$/, 'must be a whole number')
    .transform(Number)
    .default(0),
})

/**
 * The locks of the repository. A lock holds for the whole repository, whatever the branch it was taken on: an
 * answer narrowed to `refspec` would tell somebody on another branch that a file is free which is not.
 */
export const listRoute: WireRoute = {
  method: 'GET',
  path: `${REPOSITORY_PATH}/locks`,
  statuses: [200, 401, 403, 422],
  async handle(request) {
    const caller = await callerOf(request)
    const { path, id, cursor, limit } = validated(
      listQuery,
      queryParameters(request.query.toString()),
      'query',
    )
    const filter = {
      ...(path !== '' && { id: path }),
      ...(id !== '' && { lockId: isRowId(id) ? id : NO_LOCK }),
    }
    const { locks, ...more } = await pageOf(request.services, caller, filter, cursor, limit)
    return lfsReply(200, { locks: locks.map(presentLock), ...more })
  },
}

const verifyBody = z.object({
  cursor: cursor.nullish(),
  limit: z.int().min(0).nullish(),
})

/** What a push asks before it sends anything. Whoever may not lock may not push either. */
export const verifyRoute: WireRoute = {
  method: 'POST',
  path: `${REPOSITORY_PATH}/locks/verify`,
  // never 404 or 501: the client would stop asking for good
  statuses: [200, 401, 403, 413, 415, 422],
  async handle(request) {
    const caller = await callerOf(request)
    const { cursor, limit } = await bodyOf(request, verifyBody)
    requireRole(caller.principal, 'locker')
    const { locks, ...more } = await pageOf(request.services, caller, {}, cursor ?? undefined, limit ?? 0)
    const isOurs = (lock: { readonly holder: string }) => lock.holder === caller.principal.user
    return lfsReply(200, {
      ours: locks.filter(isOurs).map(presentLock),
      theirs: locks.filter(lock => !isOurs(lock)).map(presentLock),
      ...more,
    })
  },
}
