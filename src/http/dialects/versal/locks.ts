import type { Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import { MAX_LISTED_WHOLE } from '../../../locks/resource.ts'
import { acquireLocks } from '../../acquiring.ts'
import { parseJson } from '../../json.ts'
import { lockPages } from '../../lock-pages.ts'
import type { Reply } from '../../route.ts'
import type { AppServices } from '../../services.ts'
import { TRUNCATED } from '../../truncated.ts'
import { validated } from '../../validation.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { authenticate } from './credentials.ts'
import { errorReply } from './errors.ts'
import { GADGET_NAMINGS, type GadgetLock } from './gadget-naming.ts'
import { presentLocks } from './presenters.ts'
import { lockRequest } from './schemas.ts'
import type { VersalSettings } from './settings.ts'
import { courseResource, isCourseKey } from './subject.ts'

const LOCK_ID = /^[1-9]\d{0,18}$/
const MAX_LOCK_ID = 2n ** 63n - 1n

export function lockRoutes(settings: VersalSettings): readonly WireRoute[] {
  return [
    {
      method: 'GET',
      path: '/locks',
      statuses: [200, 400, 401, 403, 404],
      handle: request => listLocks(request, settings),
    },
    {
      method: 'POST',
      path: '/locks',
      statuses: [201, 400, 401, 403, 404, 413, 415],
      handle: request => lockGadget(request, settings),
    },
    {
      method: 'DELETE',
      path: '/locks/{lockId}',
      statuses: [200, 401, 403, 404],
      handle: request => unlock(request, settings),
    },
  ]
}

async function listLocks(request: WireRequest, settings: VersalSettings): Promise<Reply> {
  const { services, query } = request
  const { namespace } = settings
  const { principal } = await authenticate(request, namespace)
  const [courseId, ...more] = query.getAll('subject.courseId')
  if (courseId === undefined || more.length > 0) {
    return errorReply(400, 'The parameter subject.courseId is required, once')
  }
  if (!isCourseKey(courseId)) return courseNotFound(courseId)
  const { locks, isNamed, isWhole } = await locksOfCourse(services, settings, principal, courseId)
  // asked only where no lock names it: a lock is never hidden behind a catalogue that does not have its course
  if (!isNamed && !(await services.catalogue.exists(principal, courseResource(namespace, courseId)))) {
    return courseNotFound(courseId)
  }
  return {
    status: 200,
    ...(!isWhole && { headers: TRUNCATED }),
    body: await presentLocks(services.users, locks),
  }
}

/**
 * Locks on gadgets that are in the course, or may be; `isNamed` where at least one is known to be, `isWhole` false
 * where MAX_LISTED_WHOLE of them are not all.
 */
async function locksOfCourse(
  services: AppServices,
  { namespace, gadgetType: type, gadgetIds }: VersalSettings,
  principal: Principal,
  courseId: string,
): Promise<{ readonly locks: readonly GadgetLock[]; readonly isNamed: boolean; readonly isWhole: boolean }> {
  const naming = GADGET_NAMINGS[gadgetIds]
  const idPrefix = naming.idPrefixOf(courseId)
  const found: GadgetLock[] = []
  let isNamed = false
  let isWhole = true
  for await (const page of lockPages(services, principal, { namespace, type, idPrefix })) {
    for (const lock of page) {
      const subject = naming.subjectOf(lock)
      if (subject === undefined) continue
      if (subject.courseId === courseId) isNamed = true
      else if (subject.courseId !== undefined) continue
      isWhole = found.length < MAX_LISTED_WHOLE
      const { id, holder, expiresInSeconds } = lock
      if (isWhole) found.push({ lock: { id, holder, expiresInSeconds }, subject: { ...subject, courseId } })
    }
    // read on for the name alone: a list that is full must not end as a course that does not exist
    if (!isWhole && isNamed) break
  }
  return { locks: found, isNamed, isWhole }
}

async function lockGadget(request: WireRequest, settings: VersalSettings): Promise<Reply> {
  const { services } = request
  const { namespace, gadgetType: type, gadgetIds, lockSeconds } = settings
  const naming = GADGET_NAMINGS[gadgetIds]
  const { kind, principal } = await authenticate(request, namespace)
  if (kind === 'partner_key') throw new Refusal('unauthenticated', 'a partner key is no user')
  const { subject } = validated(lockRequest, parseJson(await request.body(['application/json'])), 'body')
  if (!isCourseKey(subject.courseId)) return courseNotFound(subject.courseId)
  if (!naming.isGadgetId(subject.gadgetId)) return gadgetNotFound(subject.gadgetId)
  // asked for ahead, and remembered: if it failed afterwards, the answer would say that nothing was locked
  await services.users.numberOf(principal.user)
  const outcome = await acquireLocks(services, principal, {
    resources: [{ namespace, type, id: naming.idOf(subject) }],
    metadata: naming.metadataOf(subject),
    ttlSeconds: lockSeconds,
    reentry: 'user',
    isSole: true,
  })
  switch (outcome.kind) {
    case 'granted': {
      // a lock that the user has already may be of another course, which still is what lists say of it
      const locks = outcome.grants.map(({ lock }) => {
        const courseId = naming.subjectOf(lock)?.courseId ?? subject.courseId
        return { lock, subject: { courseId, gadgetId: subject.gadgetId } }
      })
      const [lock] = await presentLocks(services.users, locks)
      return { status: 201, body: lock }
    }
    case 'conflict':
      return errorReply(403, 'Resource locked')
    case 'resource_not_found':
      return (await services.catalogue.exists(principal, courseResource(namespace, subject.courseId)))
        ? gadgetNotFound(subject.gadgetId)
        : courseNotFound(subject.courseId)
  }
}

async function unlock(request: WireRequest, settings: VersalSettings): Promise<Reply> {
  const { services, params } = request
  const { namespace, gadgetType, gadgetIds } = settings
  const { principal } = await authenticate(request, namespace)
  const { lockId = '' } = params
  try {
    if (!LOCK_ID.test(lockId) || BigInt(lockId) > MAX_LOCK_ID) return lockNotFound(lockId)
    // an id is never given twice, so what is found here is what is released below
    const lock = await services.locks.get(principal, namespace, lockId)
    const isOnGadget =
      lock.resource.type === gadgetType && GADGET_NAMINGS[gadgetIds].subjectOf(lock) !== undefined
    if (!isOnGadget) return lockNotFound(lockId)
    await services.locks.release(principal, namespace, lockId)
  } catch (error) {
    if (error instanceof Refusal && error.code === 'lock_not_found') return lockNotFound(lockId)
    throw error
  }
  return { status: 200, body: {} }
}

function courseNotFound(courseId: string): Reply {
  return errorReply(404, `Course '${courseId}' not found`)
}

function gadgetNotFound(gadgetId: string): Reply {
  return errorReply(404, `Gadget '${gadgetId}' not found`)
}

function lockNotFound(lockId: string): Reply {
  return errorReply(404, `Lock '${lockId}' not found`)
}
