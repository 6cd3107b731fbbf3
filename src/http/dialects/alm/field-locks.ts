import type { Principal } from '../../../locks/api-key.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { Reply } from '../../route.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { one, readView, type View } from './collection.ts'
import { AlmError } from './errors.ts'
import { type FieldsEntity, fieldsEntity, readFieldsEntities, writeEntities, writeEntity } from './fields.ts'
import { pageOf } from './listing.ts'
import { lockEntities, releaseLock, releaseLocks, requireLock, touchLock } from './locking.ts'
import { type Form, isJson, MEDIA_TYPES, requireForm, XML_OR_JSON } from './negotiation.ts'
import { type AlmLock, presentLock } from './presenters.ts'
import { lockIdOf, lockNotFound, PROJECT, requireLockId, resourceOf } from './project.ts'
import type { AlmSettings } from './settings.ts'
import { requireVisit } from './visit.ts'

const FORMS = ['xml', 'json'] as const satisfies Form[]

/** The locks of a project as entities with fields: /qcbin/rest/…/locks. */
export function fieldLockRoutes(settings: AlmSettings): WireRoute[] {
  const path = `/qcbin/rest/${PROJECT}/locks`
  return [
    {
      method: 'GET',
      path,
      statuses: [200, 400, 401, 403, 404, 406],
      async handle(request) {
        const form = requireForm(request.headers, FORMS)
        const visit = await requireVisit(request, settings)
        const view = readView(request.query)
        const { page, total } = await pageOf(request.services, settings, visit, view)
        return {
          status: 200,
          headers: { 'Set-Cookie': visit.cookies },
          type: MEDIA_TYPES[form],
          body: writeEntities(
            page.map(lock => asEntity(lock, view.fields)),
            total,
            form,
          ),
        }
      },
    },
    {
      method: 'POST',
      path,
      statuses: [201, 400, 401, settings.lockFailureStatus, 403, 404, 406, 413, 415],
      async handle(request) {
        const form = requireForm(request.headers, FORMS)
        const visit = await requireVisit(request, settings)
        const { namespace } = visit
        const bytes = await request.body(XML_OR_JSON)
        const { entities, isBulk } = readFieldsEntities(bytes, isJson(request.headers) ? 'json' : 'xml')
        const resources = entities.map(({ fields }) =>
          resourceOf(
            namespace,
            {
              type: fields.get('entity-type') ?? fields.get('entity.type'),
              id: fields.get('entity-id') ?? fields.get('entity.id'),
            },
            { type: 'entity-type', id: 'entity-id' },
          ),
        )
        const locks = (await lockEntities(request, settings, visit, resources)).map(lock =>
          asEntity(presentLock(lock, settings)),
        )
        const [only] = locks
        return {
          status: 201,
          headers: { 'Set-Cookie': visit.cookies },
          type: MEDIA_TYPES[form],
          body:
            isBulk || only === undefined ? writeEntities(locks, locks.length, form) : writeEntity(only, form),
        }
      },
    },
    {
      method: 'DELETE',
      path,
      statuses: [200, 400, 401, 403, 404],
      async handle(request) {
        const { principal, namespace, cookies } = await requireVisit(request, settings)
        const lockIds = readIds(request.query)
        const { count } = await releaseLocks(request, principal, namespace, lockIds)
        // some that are gone do not keep the others; that none is there has to be told
        if (count === 0) lockNotFound(lockIds.join(', '))
        return { status: 200, headers: { 'Set-Cookie': cookies } }
      },
    },
    ...(
      [
        ['GET', async (_request, _principal, lock) => lock],
        ['PUT', touchLock],
        [
          'DELETE',
          async (request, principal, lock) => {
            await releaseLock(request, principal, lock)
            return lock
          },
        ],
      ] as const satisfies readonly [WireRoute['method'], Change][]
    ).map(
      ([method, change]): WireRoute => ({
        method,
        path: `${path}/{id}`,
        statuses: [200, 401, 403, 404, 406],
        handle: request => oneLock(request, change),
      }),
    ),
  ]

  async function oneLock(request: WireRequest, change: Change): Promise<Reply> {
    const form = requireForm(request.headers, FORMS)
    const { principal, namespace, cookies } = await requireVisit(request, settings)
    const lock = await requireLock(request, principal, namespace, requireLockId(request))
    const after = await change(request, principal, lock)
    return {
      status: 200,
      headers: { 'Set-Cookie': cookies },
      type: MEDIA_TYPES[form],
      body: writeEntity(asEntity(presentLock(after, settings)), form),
    }
  }
}

/** What is done to a lock; the lock as it is answered. */
type Change = (request: WireRequest, principal: Principal, lock: Lock) => Promise<Lock>

function asEntity(lock: AlmLock, fields?: View['fields']): FieldsEntity {
  const all = {
    id: String(lock.id),
    'entity-id': String(lock.entity.id),
    'entity-type': lock.entity.type,
    user: lock.user,
    'lock-time': lock['lock-time'],
    'session-last-touch': lock['session-last-touch'],
  }
  if (fields === undefined) return fieldsEntity(lock.type, all)
  const names = new Set(['id', ...fields.map(field => field.replace('.', '-'))])
  return fieldsEntity(lock.type, Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name))))
}

/** `ids-to-delete=1016,1017`: without it, nothing is deleted. */
function readIds(query: URLSearchParams): readonly string[] {
  const text = one(query, 'ids-to-delete') ?? ''
  if (text === '') {
    throw new AlmError(400, 'qccore.required-field-missing', 'The parameter ids-to-delete is required.')
  }
  return text.split(',').map(id => lockIdOf(id.trim()) ?? lockNotFound(id))
}
