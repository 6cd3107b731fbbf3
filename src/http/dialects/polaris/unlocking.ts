import type { Reply } from '../../route.ts'
import type { WireRoute } from '../../wire-route.ts'
import { callerOf } from './caller.ts'
import { lockRefused } from './errors.ts'
import { mediaTypeFor } from './media-type.ts'
import { OBJECT_LOCKS_PATH, objectNumber, resourceOf } from './place.ts'
import { wordsFor } from './presenter.ts'
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
        const { principal, client } = await callerOf(request, settings)
        await request.services.locks.releaseSet(principal, { namespace, which: { kind: 'all' }, client })
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
        const type = objectNumber(params, 'objecttypeid')
        const resource = resourceOf(settings, type, objectNumber(params, 'objectid'))
        const which = { kind: 'resources', resources: [resource] } as const
        const outcome = await services.locks.releaseSet(principal, { namespace, which, client })
        const other = outcome.kind === 'conflict' ? outcome.conflicts[0] : undefined
        if (other === undefined) return RELEASED
        const words = await wordsFor(services, settings, [other])
        return lockRefused(words.withNames(other), mediaTypeFor(headers.accept))
      },
    },
  ]
}
