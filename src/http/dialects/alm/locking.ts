import { administers } from '../../../locks/access.ts'
import type { Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { Resource } from '../../../locks/resource.ts'
import { acquireLocks } from '../../acquiring.ts'
import type { WireRequest } from '../../wire-route.ts'
import { AlmError } from './errors.ts'
import { entityNotFound, lockNotFound } from './project.ts'
import type { AlmSettings } from './settings.ts'
import type { Visit } from './visit.ts'

/** For the audit log: the vendor's API has no place to give a reason. */
const CLEARED = 'deleted from the collection of locks through the ALM API'

/**
 * Locks entities for the site session, all or none. What another session of the same user holds stays with it: the
 * vendor's locks are the user's to use, and end with the session that took them.
 */
export async function lockEntities(
  { services }: WireRequest,
  settings: AlmSettings,
  { principal, siteSession }: Visit,
  resources: readonly Resource[],
): Promise<readonly Lock[]> {
  const answer = await acquireLocks(services, principal, {
    resources,
    sessionId: siteSession.id,
    reentry: 'user',
  })
  switch (answer.kind) {
    case 'granted':
      return answer.grants.map(({ lock }) => lock)
    case 'conflict':
      return lockFailure(settings.lockFailureStatus, 'Failed to lock entity', answer.conflicts[0])
    case 'resource_not_found':
      return entityNotFound(answer.resources[0] ?? { type: 'entity', id: '' })
  }
}

/** Releases a lock of the user, whichever session holds it. */
export async function releaseLock(
  { services }: WireRequest,
  principal: Principal,
  lock: Lock,
): Promise<void> {
  await asHolder(principal, lock, 'Failed to unlock entity', () =>
    services.locks.release(principal, lock.resource.namespace, lock.id),
  )
}

/** Releases locks together, or none: the user's own, or anybody's for an administrator of the project. */
export async function releaseLocks(
  { services }: WireRequest,
  principal: Principal,
  namespace: string,
  lockIds: readonly string[],
): Promise<{ readonly count: number; readonly ids: ReadonlySet<string> }> {
  const outcome = await services.locks.releaseSet(
    principal,
    { namespace, which: { kind: 'locks', lockIds } },
    administers(principal, namespace) ? { reason: CLEARED } : undefined,
  )
  switch (outcome.kind) {
    case 'released':
      return { count: outcome.count, ids: new Set(outcome.locks.map(({ lockId }) => lockId)) }
    case 'conflict':
      return lockFailure(403, 'Failed to unlock entities', outcome.conflicts[0])
    default:
      throw new Error(`locks were named, and yet it came to ${outcome.kind}`)
  }
}

/** A sign of life of the session that holds a lock of the user. */
export async function touchLock({ services }: WireRequest, principal: Principal, lock: Lock): Promise<Lock> {
  return asHolder(principal, lock, 'Failed to update lock', () =>
    services.locks.touch(principal, lock.resource.namespace, lock.id),
  )
}

/** The lock; 404 in the vendor's words where there is none. */
export async function requireLock(
  { services }: WireRequest,
  principal: Principal,
  namespace: string,
  id: string,
): Promise<Lock> {
  try {
    return await services.locks.get(principal, namespace, id)
  } catch (error) {
    if (error instanceof Refusal && error.code === 'lock_not_found') lockNotFound(id)
    throw error
  }
}

/** Clients take the holder's name from the quotation. */
export function lockFailure(status: number, what: string, lock: Lock | undefined): never {
  throw new AlmError(
    status,
    'qccore.lock-failure',
    `${what}: The entity is locked by user '${lock?.holder ?? ''}'`,
  )
}

/** The service decides; what was read before only gives its refusal the vendor's words. */
async function asHolder<T>(
  principal: Principal,
  lock: Lock,
  what: string,
  change: () => Promise<T>,
): Promise<T> {
  try {
    return await change()
  } catch (error) {
    const isRefused = error instanceof Refusal && error.code === 'forbidden'
    if (isRefused && lock.holder !== principal.user) lockFailure(403, what, lock)
    throw error
  }
}
