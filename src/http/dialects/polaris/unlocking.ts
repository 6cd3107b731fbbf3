import { requireRole } from '../../../locks/access.ts'
import type { Reply } from '../../route.ts'
import type { WireRoute } from '../../wire-route.ts'
import { callerOf } from './caller.ts'
import { lockRefused } from './errors.ts'
import { everyLock } from './listing.ts'
import { mediaTypeFor } from './media-type.ts'
import { OBJECT_LOCKS_PATH, objectNumber } from './place.ts'
import { wordsFor } from './presenter.ts'
import { releaseLocks } from './releasing.ts'
import type { PolarisSettings } from './settings.ts'

const RELEASED: Reply = { status: 200 }

export function unlocking(settings: PolarisSettings): readonly WireRoute[] {
  const { namespace } = settings
  return [
    {
      method: 'DELETE',
      path: OBJECT_LOCKS_PATH,
      statuses: [200, 400, 401, 403, 404],
      async handle(request) {
        const { services } = request
        const { principal, client } = await callerOf(request, settings)
        requireRole(principal, 'locker')
        const own = await everyLock(services, principal, { namespace, holder: principal.user, client })
        await releaseLocks(services, principal, namespace, own)
        return RELEASED
      },
    },
    {
      method: 'DELETE',
      path: `${OBJECT_LOCKS_PATH}/{objecttypeid}/{objectid}`,
      statuses: [200, 400, 401, 403, 404, 409],
      async handle(request) {
        const { services, params, headers } = request
        const { principal, client } = await callerOf(request, settings)
        requireRole(principal, 'locker')
        const type = String(objectNumber(params, 'objecttypeid'))
        const id = String(objectNumber(params, 'objectid'))
        const lock = await services.locks.find(principal, { namespace, type, id })
        if (lock === undefined) return RELEASED
        if (lock.holder !== principal.user || lock.client !== client) {
          return lockRefused((await wordsFor(services, [lock])).withNames(lock), mediaTypeFor(headers.accept))
        }
        await releaseLocks(services, principal, namespace, [lock])
        return RELEASED
      },
    },
  ]
}
