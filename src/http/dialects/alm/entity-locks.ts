import type { Principal } from '../../../locks/api-key.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { Resource } from '../../../locks/resource.ts'
import type { Reply } from '../../route.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { fieldsEntity, writeEntity } from './fields.ts'
import { lockEntities, releaseLock } from './locking.ts'
import { type Form, MEDIA_TYPES, requireForm, XML_OR_JSON } from './negotiation.ts'
import { canonicalId, entityNotFound, entityTypeOf, PROJECT, requireKnown } from './project.ts'
import type { AlmSettings } from './settings.ts'
import { requireVisit } from './visit.ts'
import { element, escapeXml, xmlDocument } from './xml.ts'

const FORMS = ['xml', 'json'] as const satisfies Form[]

/** Whether an entity is locked, and by whom, as one asks who may be the holder. */
interface LockStatus {
  readonly LockStatus: 'UNLOCKED' | 'LOCKED_BY_ME' | 'LOCKED_BY_OTHER'
  readonly LockedByMe: boolean
  readonly LockUser?: string
}

/** The lock of an entity, at the entity's own address: /qcbin/rest/…/defects/2/lock. */
export function entityLockRoutes(settings: AlmSettings): WireRoute[] {
  const path = `/qcbin/rest/${PROJECT}/{collection}/{id}/lock`
  return [
    {
      method: 'GET',
      path,
      statuses: [200, 401, 403, 404, 406],
      async handle(request) {
        const form = requireForm(request.headers, FORMS)
        const { principal, namespace, cookies } = await requireVisit(request, settings)
        const entity = readEntity(request, namespace)
        const lock = await request.services.locks.find(principal, entity)
        if (lock === undefined) await requireKnown(request, principal, entity)
        return {
          status: 200,
          headers: { 'Set-Cookie': cookies },
          type: MEDIA_TYPES[form],
          body: writeStatus(statusFor(principal, lock), form),
        }
      },
    },
    {
      method: 'POST',
      path,
      statuses: [200, 401, settings.lockFailureStatus, 403, 404, 406, 413, 415],
      async handle(request): Promise<Reply> {
        const form = requireForm(request.headers, FORMS)
        const visit = await requireVisit(request, settings)
        const entity = readEntity(request, visit.namespace)
        // none is wanted; one that comes says nothing about the lock
        await request.body(XML_OR_JSON)
        await lockEntities(request, settings, visit, [entity])
        return {
          status: 200,
          headers: { 'Set-Cookie': visit.cookies },
          type: MEDIA_TYPES[form],
          body: writeEntity(fieldsEntity(entity.type, { id: entity.id }), form),
        }
      },
    },
    {
      method: 'DELETE',
      path,
      statuses: [200, 401, 403, 404],
      async handle(request) {
        const { principal, namespace, cookies } = await requireVisit(request, settings)
        const entity = readEntity(request, namespace)
        const lock = await request.services.locks.find(principal, entity)
        if (lock === undefined) return entityNotFound(entity, 'no lock on')
        await releaseLock(request, principal, lock)
        return { status: 200, headers: { 'Set-Cookie': cookies } }
      },
    },
  ]
}

function readEntity({ params }: WireRequest, namespace: string): Resource {
  const { collection = '', id: text = '' } = params
  const type = entityTypeOf(collection)
  const id = canonicalId(text)
  return id === undefined ? entityNotFound({ type, id: text }) : { namespace, type, id }
}

function statusFor(principal: Principal, lock: Lock | undefined): LockStatus {
  if (lock === undefined) return { LockStatus: 'UNLOCKED', LockedByMe: false }
  const isMine = lock.holder === principal.user
  return {
    LockStatus: isMine ? 'LOCKED_BY_ME' : 'LOCKED_BY_OTHER',
    LockedByMe: isMine,
    LockUser: lock.holder,
  }
}

/** The order of the elements is that of the vendor's schema. */
function writeStatus(status: LockStatus, form: Form): string | LockStatus {
  if (form === 'json') return status
  const elements = Object.entries(status).map(([name, value]) => element(name, escapeXml(String(value))))
  return xmlDocument(element('LockStatusEntity', elements.join('')))
}
