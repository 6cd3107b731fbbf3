import { requireNamespace, requireRole } from '../../../locks/access.ts'
import type { Principal, Role } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { Resource } from '../../../locks/resource.ts'
import { acquireLocks } from '../../acquiring.ts'
import { authenticate } from '../../authentication.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { type Lockable, resourceOf } from './lockable.ts'
import { presentGrant, presentStatus } from './presenter.ts'
import type { BridgeSettings } from './settings.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Who asks, and for what. */
interface Asked {
  readonly principal: Principal
  readonly resource: Resource
  /** What this API calls it. */
  readonly name: string
}

/** The lock of one kind of lockable. No body means anything here, so none is read. */
export function lockRoutes(lockable: Lockable, settings: BridgeSettings): readonly WireRoute[] {
  const path = `/api/author/${lockable.path}/{id}/lock`

  async function asked(request: WireRequest, role: Role): Promise<Asked> {
    const { services, headers, params, origin } = request
    const principal = await authenticate(services.keys, headers.authorization, origin)
    request.actsFor(principal, settings.namespace)
    requireNamespace(principal, settings.namespace)
    requireRole(principal, role)
    const resource = resourceOf(settings.namespace, lockable, params.id ?? '')
    return { principal, resource, name: `${lockable.type} ${resource.id}` }
  }

  return [
    {
      method: 'GET',
      path,
      statuses: [200, 401, 403, 404],
      async handle(request) {
        const { locks, users } = request.services
        const { principal, resource, name } = await asked(request, 'viewer')
        const lock = await locks.find(principal, resource)
        if (lock === undefined) {
          throw new Refusal('lock_not_found', `${name} is not locked`)
        }
        return { status: 200, body: presentStatus(lockable, lock, await users.numberOf(lock.holder)) }
      },
    },
    {
      method: 'POST',
      path,
      statuses: [200, 401, 403, 409, 422],
      async handle(request) {
        const { services } = request
        const { principal, resource, name } = await asked(request, 'locker')
        // asked for ahead: if it failed afterwards, the answer would say that nothing was locked
        const number = await services.users.numberOf(principal.user)
        const answer = await acquireLocks(services, principal, {
          resources: [resource],
          ttlSeconds: settings.lockSeconds,
          // each grant is a session of its own, so that an id that was replaced is void
          replacesOwn: !settings.refusesHolder,
        })
        if (answer.kind === 'conflict') {
          throw new Refusal('lock_conflict', `${name} is locked by ${answer.conflicts[0]?.holder}`)
        }
        if (answer.kind !== 'granted') {
          throw new Refusal('resource_not_found', `there is no ${name}`)
        }
        const lock = answer.grants[0]?.lock
        if (lock === undefined) throw new Error('a lock was granted and not answered')
        return { status: 200, body: presentGrant(lockable, lock, number) }
      },
    },
    {
      method: 'PUT',
      path,
      statuses: [204, 401, 403, 409, 422],
      async handle(request) {
        const { locks } = request.services
        const { principal, resource, name } = await asked(request, 'locker')
        const lock = await namedLock(request, { principal, resource, name })
        await locks.touch(principal, resource.namespace, lock.id)
        return { status: 204 }
      },
    },
    {
      method: 'DELETE',
      path,
      statuses: [204, 401, 403, 409, 422],
      async handle(request) {
        const { locks } = request.services
        const { principal, resource, name } = await asked(request, 'locker')
        const lock = await namedLock(request, { principal, resource, name })
        await locks.release(principal, resource.namespace, lock.id)
        return { status: 204 }
      },
    },
  ]
}

/**
 * The lock that X-Lock-Id and the path name together. It may go the next moment, or become somebody's else: what is
 * done to it names the grant, which never changes hands.
 */
async function namedLock(
  { services, headers }: WireRequest,
  { principal, resource, name }: Asked,
): Promise<Lock> {
  const lockId = [headers['x-lock-id']].flat().join().toLowerCase()
  if (!UUID.test(lockId)) {
    const message = lockId === '' ? 'is missing: send the id of the lock' : 'is not a UUID'
    throw new Refusal('invalid_request', `the header X-Lock-Id ${message}`, {
      fields: [{ field: 'header X-Lock-Id', message }],
    })
  }
  const lock = await services.locks.find(principal, resource)
  if (lock?.sessionId !== lockId) {
    throw new Refusal(
      'lock_not_found',
      `${name} has no lock with this id: it was released or replaced, has expired, or never was`,
    )
  }
  return lock
}
