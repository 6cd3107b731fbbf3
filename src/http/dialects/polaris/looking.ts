import { Refusal } from '../../../locks/errors.ts'
import { TRUNCATED } from '../../truncated.ts'
import type { WireRoute } from '../../wire-route.ts'
import { callerOf } from './caller.ts'
import { invalid } from './errors.ts'
import { listed } from './listing.ts'
import { mediaTypeFor } from './media-type.ts'
import { OBJECT_LOCKS_PATH, objectNumber, resourceOf } from './place.ts'
import { presentListed, wordsFor } from './presenter.ts'
import type { PolarisSettings } from './settings.ts'

export function looking(settings: PolarisSettings): readonly WireRoute[] {
  return [
    {
      method: 'GET',
      path: OBJECT_LOCKS_PATH,
      statuses: [200, 400, 401, 403, 404],
      async handle(request) {
        const { services, headers, query } = request
        const { principal, client } = await callerOf(request, settings)
        const own = wantsAll(query) ? {} : { holder: principal.user, client }
        const { locks, isWhole } = await listed(services, settings, principal, own)
        const words = await wordsFor(services, settings, locks)
        return {
          status: 200,
          ...(!isWhole && { headers: TRUNCATED }),
          type: mediaTypeFor(headers.accept),
          body: locks.map(lock => presentListed(words, lock)),
        }
      },
    },
    {
      method: 'GET',
      path: `${OBJECT_LOCKS_PATH}/{objecttypeid}/{objectid}`,
      statuses: [200, 400, 401, 403, 404],
      async handle(request) {
        const { services, headers, params } = request
        const { principal } = await callerOf(request, settings)
        const type = objectNumber(params, 'objecttypeid')
        const id = objectNumber(params, 'objectid')
        const lock = await services.locks.find(principal, resourceOf(settings, type, id))
        if (lock === undefined)
          throw new Refusal('lock_not_found', `the object ${id} of type ${type} is not locked`)
        const words = await wordsFor(services, settings, [lock])
        return { status: 200, type: mediaTypeFor(headers.accept), body: words.plain(lock) }
      },
    },
  ]
}

/** `?getAllLocks=true`; names of parameters are the same in either case, and others mean nothing. */
function wantsAll(query: URLSearchParams): boolean {
  const values = [...query].flatMap(([name, value]) =>
    name.toLowerCase() === 'getalllocks' ? [value.toLowerCase()] : [],
  )
  const [value = 'false'] = values
  if (values.length > 1 || (value !== 'true' && value !== 'false')) {
    invalid('query getAllLocks', 'must be true or false, once')
  }
  return value === 'true'
}
