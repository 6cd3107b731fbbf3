import type { Grant } from '../../../locks/lock.ts'
import type { Resource } from '../../../locks/resource.ts'
import { acquireLocks } from '../../acquiring.ts'
import { parseJson } from '../../json.ts'
import type { Reply } from '../../route.ts'
import { validated } from '../../validation.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { type Caller, callerOf } from './caller.ts'
import { lockRefused, objectsNotFound } from './errors.ts'
import { MEDIA_TYPES, mediaTypeFor } from './media-type.ts'
import { OBJECT_LOCKS_PATH, objectNumber, resourceOf } from './place.ts'
import { type LockWords, presentLocked, presentLockedOfMany, wordsFor } from './presenter.ts'
import { lockedObject, lockedObjects } from './schemas.ts'
import type { PolarisSettings } from './settings.ts'

const SECONDS_PER_HOUR = 3600

export function locking(settings: PolarisSettings): readonly WireRoute[] {
  return [
    {
      method: 'POST',
      path: OBJECT_LOCKS_PATH,
      statuses: [200, 400, 401, 403, 404, 409, 413, 415],
      async handle(request) {
        const caller = await callerOf(request, settings)
        const object = validated(lockedObject, parseJson(await request.body(MEDIA_TYPES)), 'body')
        const resources = [resourceOf(settings, object.ObjectTypeID, object.ObjectID)]
        return lock(request, settings, { caller, resources }, (words, [grant]) =>
          grant === undefined ? {} : presentLocked(words, grant),
        )
      },
    },
    {
      method: 'POST',
      path: `${OBJECT_LOCKS_PATH}/{objecttypeid}`,
      statuses: [200, 400, 401, 403, 404, 409, 413, 415],
      async handle(request) {
        const caller = await callerOf(request, settings)
        const type = objectNumber(request.params, 'objecttypeid')
        const ids = validated(lockedObjects, parseJson(await request.body(MEDIA_TYPES)), 'body')
        // asked for twice is asked for once
        const resources = [...new Set(ids)].map(id => resourceOf(settings, type, id))
        return lock(request, settings, { caller, resources }, (words, grants) =>
          grants.map(grant => presentLockedOfMany(words, grant)),
        )
      },
    },
  ]
}

interface Asked {
  readonly caller: Caller
  readonly resources: readonly Resource[]
}

/** All of the resources or none, for the caller's user and workstation. */
async function lock(
  request: WireRequest,
  settings: PolarisSettings,
  { caller: { principal, client }, resources }: Asked,
  present: (words: LockWords, grants: readonly Grant[]) => object,
): Promise<Reply> {
  const { services, headers } = request
  const { maxLockAgeHours } = settings
  const type = mediaTypeFor(headers.accept)
  // asked for ahead, and remembered: if it failed afterwards, the answer would say that nothing was locked
  await services.users.numberOf(principal.user)
  const answer = await acquireLocks(services, principal, {
    resources,
    client,
    reentry: 'client',
    ttlSeconds: maxLockAgeHours > 0 ? maxLockAgeHours * SECONDS_PER_HOUR : null,
  })
  if (answer.kind === 'resource_not_found') return objectsNotFound(settings, answer.resources)
  // both have the locks in the order in which the objects were asked for
  if (answer.kind === 'conflict') {
    const [first] = answer.conflicts
    if (first === undefined) throw new Error('a conflict with nothing')
    return lockRefused((await wordsFor(services, settings, [first])).withNames(first), type)
  }
  const held = answer.grants.map(grant => grant.lock)
  return { status: 200, type, body: present(await wordsFor(services, settings, held), answer.grants) }
}
