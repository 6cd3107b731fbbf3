import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { administers } from '../../../locks/access.ts'
import type { Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { Resource } from '../../../locks/resource.ts'
import { acquireLocks } from '../../acquiring.ts'
import { authenticate } from '../../authentication.ts'
import type { Reply } from '../../route.ts'
import { namespace as namespaceName, resourceId } from '../../v1/schemas.ts'
import { validated } from '../../validation.ts'
import type { WireRequest } from '../../wire-route.ts'
import {
  clientOf,
  idOf,
  isBareId,
  type LockInfo,
  lockInfoOf,
  metadataOf,
  readLockInfo,
  sessionIdOf,
} from './lock-info.ts'

/** Type of the resource that a state is. Its id is the name in the path. */
const STATE_TYPE = 'terraform-state'

const stateName = z.strictObject({ namespace: namespaceName, name: resourceId })

/** Longest time for which an answer is held open, in seconds. */
export const MAX_WAIT_SECONDS = 300

/** Between two looks of a request that waits, in ms. No connection to the database is held meanwhile. */
const LOOK_EVERY_MS = { min: 200, max: 600 } as const

const FORCE_REASON = 'terraform force-unlock'

interface StateRequest {
  readonly principal: Principal
  readonly resource: Resource
}

async function stateOf(request: WireRequest): Promise<StateRequest> {
  const { services, headers, params, origin } = request
  const principal = await authenticate(services.keys, headers.authorization, origin)
  request.actsFor(principal)
  const { namespace, name } = validated(stateName, params, 'path')
  request.actsFor(principal, namespace)
  return { principal, resource: { namespace, type: STATE_TYPE, id: name } }
}

async function read(request: WireRequest): Promise<StateRequest & { readonly info: LockInfo | undefined }> {
  const state = await stateOf(request)
  const body = await request.body(['application/json'])
  return { ...state, info: readLockInfo(body, request.headers['content-md5']?.toString()) }
}

/**
 * LOCK: 200 with the LockInfo; 423 with the holder's, where somebody has it. The client's ID names the session, so
 * that a repeat of the request gets the same lock, and one that comes after the unlock none. It never expires.
 */
export async function lockState(request: WireRequest): Promise<Reply> {
  const { services, query } = request
  const { principal, resource, info } = await read(request)
  if (info === undefined) {
    throw new Refusal('invalid_request', 'the body is empty; a LockInfo is needed', {
      fields: [{ field: 'body', message: 'must be a LockInfo, as Terraform sends it' }],
    })
  }
  const giveUpAt = performance.now() + waitSeconds(query) * 1000
  for (;;) {
    const answer = await acquireLocks(services, principal, {
      resources: [resource],
      sessionId: sessionIdOf(info.ID, principal.user),
      ttlSeconds: null,
      client: clientOf(info),
      reference: info.ID,
      metadata: metadataOf(info),
    })
    if (answer.kind === 'granted') return { status: 200, body: info }
    if (answer.kind !== 'conflict') {
      throw new Refusal(
        'resource_not_found',
        `the namespace is closed, and its catalogue has no ${resource.id}`,
      )
    }
    const [holder] = answer.conflicts
    const pauseMs = LOOK_EVERY_MS.min + Math.random() * (LOOK_EVERY_MS.max - LOOK_EVERY_MS.min)
    const isLastLook = performance.now() + pauseMs > giveUpAt
    if (isLastLook || request.isGone() || services.isDraining?.() === true) {
      return { status: 423, body: holder === undefined ? undefined : lockInfoOf(holder) }
    }
    await delay(pauseMs)
    // the client may have gone during the pause, and a lock for it would be nobody's
    if (request.isGone()) return { status: 423, body: holder === undefined ? undefined : lockInfoOf(holder) }
  }
}

/**
 * UNLOCK: 200 where the lock with the ID is not held any more, also if it had gone before: the answer to an earlier
 * try may have been lost. Without an ID (`terraform force-unlock`) it is about whatever lock there is.
 */
export async function unlockState(request: WireRequest): Promise<Reply> {
  const { services, query } = request
  const { principal, resource, info } = await read(request)
  const id = info?.ID ?? query.get('ID') ?? undefined
  const isForced = id === undefined || (info !== undefined && isBareId(info))
  const lock = await services.locks.find(principal, resource)
  if (lock === undefined) return { status: 200, body: {} }
  if (id !== undefined && id !== idOf(lock)) {
    if (!isForced && (await hasEnded(request, principal, id))) return { status: 200, body: {} }
    return { status: 409, body: lockInfoOf(lock) }
  }
  await release(request, principal, lock)
  if (isForced) {
    services.log.warn(
      {
        event: 'state_unlocked_by_force',
        by: principal.user,
        holder: lock.holder,
        lock: lock.id,
        state: resource,
      },
      'a state was unlocked by force',
    )
  }
  return { status: 200, body: lockInfoOf(lock) }
}

/** The lock of a state, for people: 200 with its LockInfo, or 404. */
export async function showStateLock(request: WireRequest): Promise<Reply> {
  const { principal, resource } = await stateOf(request)
  const lock = await request.services.locks.find(principal, resource)
  if (lock === undefined) throw new Refusal('lock_not_found', `nobody holds ${resource.id}`)
  return { status: 200, body: lockInfoOf(lock) }
}

/** By its holder, or by an administrator. A lock that went meanwhile is what was wanted. */
async function release({ services }: WireRequest, principal: Principal, lock: Lock): Promise<void> {
  const { namespace } = lock.resource
  const force =
    lock.holder !== principal.user && administers(principal, namespace) ? { reason: FORCE_REASON } : undefined
  try {
    await services.locks.release(principal, namespace, lock.id, force)
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'lock_not_found')) throw error
  }
}

/** Whether the user's lock with this ID was held once and is not any more. */
async function hasEnded({ services }: WireRequest, principal: Principal, id: string): Promise<boolean> {
  try {
    await services.sessions.touch(principal, sessionIdOf(id, principal.user))
    return false
  } catch (error) {
    if (error instanceof Refusal) return error.code === 'session_expired'
    throw error
  }
}

function waitSeconds(query: URLSearchParams): number {
  const text = query.get('wait') ?? '0'
  if (!/^\d{1,3}$/.test(text) || Number(text) > MAX_WAIT_SECONDS) {
    throw new Refusal(
      'invalid_request',
      `wait must be a whole number of seconds, at most ${MAX_WAIT_SECONDS}`,
      {
        fields: [{ field: 'query wait', message: `must be from 0 to ${MAX_WAIT_SECONDS}` }],
      },
    )
  }
  return Number(text)
}
