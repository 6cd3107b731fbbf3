import { z } from 'zod'
import { administers } from '../../../locks/access.ts'
import { Refusal } from '../../../locks/errors.ts'
import { isRowId } from '../../v1/schemas.ts'
import type { WireRoute } from '../../wire-route.ts'
import { bodyOf } from './body.ts'
import { callerOf } from './caller.ts'
import { lfsReply, presentLock, whoHolds } from './presenter.ts'
import { REPOSITORY_PATH } from './repository.ts'

const unlockBody = z.object({ force: z.boolean().nullish() })

/** Goes to the audit log; the API has no place for a reason. */
const FORCE_REASON = 'git lfs unlock --force'

/** Releases one's own lock; an administrator of the namespace also another's, with `force`. */
export const unlockRoute: WireRoute = {
  method: 'POST',
  path: `${REPOSITORY_PATH}/locks/{id}/unlock`,
  statuses: [200, 401, 403, 404, 413, 415, 422],
  async handle(request) {
    const { services, params } = request
    const { principal, namespace, type } = await callerOf(request)
    const { force } = await bodyOf(request, unlockBody)
    const id = params.id ?? ''
    if (!isRowId(id)) return lockNotFound(id)
    const lock = await services.locks.get(principal, namespace, id)
    if (lock.resource.type !== type) return lockNotFound(id)
    // an id is one grant's alone, so the lock that is released below is the one that was looked at
    const isForeign = lock.holder !== principal.user
    if (isForeign && force !== true) {
      throw new Refusal(
        'forbidden',
        `${whoHolds(lock)}; an administrator can release it with git lfs unlock --force`,
      )
    }
    if (isForeign && !administers(principal, namespace)) {
      throw new Refusal(
        'forbidden',
        `${whoHolds(lock)}; only an administrator of ${namespace} can release it with --force`,
      )
    }
    await services.locks.release(principal, namespace, id, isForeign ? { reason: FORCE_REASON } : undefined)
    return lfsReply(200, { lock: presentLock(lock) })
  },
}

function lockNotFound(id: string): never {
  throw new Refusal(
    'lock_not_found',
    `the repository has no lock ${JSON.stringify(id.slice(0, 40))}: it was released, or never was`,
  )
}
