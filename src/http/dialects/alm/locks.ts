import { z } from 'zod'
import type { Principal } from '../../../locks/api-key.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { Resource } from '../../../locks/resource.ts'
import { fieldName, parseJson } from '../../json.ts'
import type { Reply } from '../../route.ts'
import { TRUNCATED } from '../../truncated.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { readFilter, readView, selected } from './collection.ts'
import { AlmError, wrongField } from './errors.ts'
import { chosenBy, pageOf } from './listing.ts'
import { lockEntities, releaseLock, releaseLocks, requireLock, touchLock } from './locking.ts'
import { requireForm } from './negotiation.ts'
import { presentLock } from './presenters.ts'
import { PROJECT, requireLockId, resourceOf } from './project.ts'
import type { AlmSettings } from './settings.ts'
import { requireVisit } from './visit.ts'

/** Whose locks they are is not read from it: `user` means nothing here. */
const createBody = z.looseObject({
  data: z.array(z.looseObject({ entity: z.looseObject({ id: z.unknown(), type: z.unknown() }) })),
})

/** The locks of a project as JSON: /qcbin/api/…/locks. */
export function lockRoutes(settings: AlmSettings): WireRoute[] {
  const path = `/qcbin/api/${PROJECT}/locks`
  return [
    {
      method: 'POST',
      path,
      statuses: [201, 400, 401, settings.lockFailureStatus, 403, 404, 406, 413, 415],
      async handle(request) {
        requireForm(request.headers, ['json'])
        const visit = await requireVisit(request, settings)
        const resources = readEntities(visit.namespace, parseJson(await request.body(['application/json'])))
        const locks = await lockEntities(request, settings, visit, resources)
        const [only, second] = locks
        return {
          status: 201,
          headers: {
            'Set-Cookie': visit.cookies,
            ...(only !== undefined && second === undefined && { Location: addressOf(request, only.id) }),
          },
          body: { data: locks.map(lock => presentLock(lock, settings)) },
        }
      },
    },
    // the vendor's own examples end a collection's address with a slash, too
    ...[path, `${path}/`].map(
      (address): WireRoute => ({
        method: 'GET',
        path: address,
        statuses: [200, 400, 401, 403, 404, 406],
        async handle(request) {
          requireForm(request.headers, ['json'])
          const visit = await requireVisit(request, settings)
          const view = readView(request.query)
          const { page, total } = await pageOf(request.services, settings, visit, view)
          return {
            status: 200,
            headers: { 'Set-Cookie': visit.cookies },
            body: { data: page.map(lock => selected(lock, view.fields)), 'total-results': total },
          }
        },
      }),
    ),
    {
      method: 'DELETE',
      path,
      statuses: [200, 400, 401, 403, 404, 406],
      async handle(request) {
        requireForm(request.headers, ['json'])
        const visit = await requireVisit(request, settings)
        const { principal, namespace, cookies } = visit
        requireKnownNames(request.query)
        const filter = readFilter(request.query)
        const { lockIds, shown } = await chosenBy(request.services, settings, visit, filter)
        const { count, ids } = await releaseLocks(request, principal, namespace, lockIds)
        const released = [...shown].flatMap(([id, lock]) => (ids.has(id) ? lock : []))
        return {
          status: 200,
          headers: { 'Set-Cookie': cookies, ...(released.length < count && TRUNCATED) },
          body: { data: released, 'total-results': count },
        }
      },
    },
    {
      method: 'GET',
      path: `${path}/{id}`,
      statuses: [200, 401, 403, 404, 406],
      handle: request => one(request, async (_, lock) => lock),
    },
    {
      method: 'PUT',
      path: `${path}/{id}`,
      statuses: [200, 401, 403, 404, 406],
      handle: request => one(request, (principal, lock) => touchLock(request, principal, lock)),
    },
    {
      method: 'DELETE',
      path: `${path}/{id}`,
      statuses: [200, 401, 403, 404, 406],
      // read first, since the answer shows what is gone then; whether it goes is decided by the release
      handle: request =>
        one(request, async (principal, lock) => {
          await releaseLock(request, principal, lock)
          return lock
        }),
    },
  ]

  /** Answers a lock as what it is after a change. */
  async function one(
    request: WireRequest,
    change: (principal: Principal, lock: Lock) => Promise<Lock>,
  ): Promise<Reply> {
    requireForm(request.headers, ['json'])
    const { principal, namespace, cookies } = await requireVisit(request, settings)
    const lock = await requireLock(request, principal, namespace, requireLockId(request))
    return {
      status: 200,
      headers: { 'Set-Cookie': cookies },
      body: presentLock(await change(principal, lock), settings),
    }
  }
}

/**
 * Without a query every lock goes, so that a query whose name is misspelt must not be passed over. Names with an
 * underscore in front are the tricks of programs to get past a cache.
 */
function requireKnownNames(query: URLSearchParams): void {
  for (const name of query.keys()) {
    if (name === 'query' || name.startsWith('_')) continue
    throw new AlmError(
      400,
      'qccore.general-error',
      `Locks cannot be deleted by ${name}: the parameter is query.`,
    )
  }
}

function addressOf({ params }: WireRequest, id: string): string {
  const [domain, project] = [params.domain ?? '', params.project ?? ''].map(encodeURIComponent)
  return `/qcbin/api/domains/${domain}/projects/${project}/locks/${id}`
}

function readEntities(namespace: string, body: unknown): Resource[] {
  const result = createBody.safeParse(body, { reportInput: true })
  if (!result.success) {
    const [issue] = result.error.issues
    return wrongField(fieldName(issue?.path ?? []), issue?.input)
  }
  const { data } = result.data
  if (data.length === 0) wrongField('data[0]', undefined)
  return data.map(({ entity }, index) =>
    resourceOf(namespace, entity, { type: `data[${index}].entity.type`, id: `data[${index}].entity.id` }),
  )
}
