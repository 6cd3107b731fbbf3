import type { Expand } from '../../../locks/acquire.ts'
import type { Principal } from '../../../locks/api-key.ts'
import { DatabaseTrouble, Refusal } from '../../../locks/errors.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { Resource } from '../../../locks/resource.ts'
import { acquireLocks } from '../../acquiring.ts'
import type { Reply } from '../../route.ts'
import type { AppServices } from '../../services.ts'
import { TRUNCATED } from '../../truncated.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { alreadyLocked } from './errors.ts'
import { flagOf, objectOf } from './locked-object.ts'
import { presentLocks } from './presenter.ts'
import type { BimplusSettings } from './settings.ts'
import { signedIn } from './token.ts'

const LOCKS_PATH = '/v2/{team}/objects/{id}/locks'

/** What goes to the audit log: the API has no room for a reason. */
const AS_ADMIN = { reason: 'asAdmin' } as const

interface List {
  readonly locks: readonly Lock[]
  /** False: there are more. */
  readonly isWhole: boolean
}

export function lockRoutes(settings: BimplusSettings): readonly WireRoute[] {
  return [
    {
      method: 'PUT',
      path: LOCKS_PATH,
      statuses: [200, 400, 401, 403, 404, 413, 415],
      handle: request => lock(request, settings),
    },
    { method: 'GET', path: LOCKS_PATH, statuses: [200, 400, 401, 403, 404], handle: look },
    {
      method: 'DELETE',
      path: LOCKS_PATH,
      statuses: [200, 400, 401, 403, 404, 413, 415],
      handle: request => unlock(request, settings),
    },
  ]
}

async function lock(request: WireRequest, settings: BimplusSettings): Promise<Reply> {
  const { services, headers } = request
  const { principal, client, resource, expand, isAsAdmin } = await changeOf(request, settings)
  // asked for ahead: if it failed afterwards, the answer would say that nothing was locked
  const numbers = await services.users.numbersOf([principal.user])
  const outcome = await acquireLocks(services, principal, {
    resources: [resource],
    expand,
    client,
    reentry: 'user',
    ttlSeconds: null,
    ...(isAsAdmin && { takeover: true, ...AS_ADMIN }),
  })
  switch (outcome.kind) {
    case 'granted': {
      const named = outcome.grants.map(grant => grant.lock)
      const locked =
        outcome.count === named.length
          ? { locks: named, isWhole: true }
          : await lockedNow(services, principal, { resource, expand, named })
      return listOf(locked, numbers)
    }
    case 'conflict':
      return alreadyLocked(headers.accept)
    case 'resource_not_found':
      return notFound(resource, outcome.resources)
    case 'selection_has_no_children':
      return selectionHasNoChildren()
    case 'too_many_resources':
      return tooMany(outcome.most)
  }
}

/**
 * What the caller has locked, read back since an acquire answers the named object alone. Where it cannot be read,
 * that one is the answer: everything is locked, and an error would say that it is not.
 */
async function lockedNow(
  services: AppServices,
  principal: Principal,
  { resource, expand, named }: { resource: Resource; expand: Expand; named: readonly Lock[] },
): Promise<List> {
  try {
    const { locks, isWhole } = await services.locks.listBelow(principal, resource, expand)
    return { locks: locks.filter(({ holder }) => holder === principal.user), isWhole }
  } catch (error) {
    if (!(error instanceof DatabaseTrouble)) throw error
    return { locks: named, isWhole: false }
  }
}

async function look(request: WireRequest): Promise<Reply> {
  const { services } = request
  const resource = objectOf(request)
  const { principal } = await signedIn(request, resource.namespace)
  // looking at a selection with its children does no harm, so unlike locking it is not refused
  const expand = flagOf(request, 'withChildren') === false ? 'elements' : 'contents'
  const found = await services.locks.listBelow(principal, resource, expand)
  if (found.locks.length === 0) await requireKnown(services, principal, resource)
  return listOf(found, await services.users.numbersOf(found.locks.map(({ holder }) => holder)))
}

async function unlock(request: WireRequest, settings: BimplusSettings): Promise<Reply> {
  const { services, headers } = request
  const { principal, resource, expand, isAsAdmin } = await changeOf(request, settings)
  const outcome = await services.locks.releaseSet(
    principal,
    { namespace: resource.namespace, which: { kind: 'expanded', resource, expand } },
    isAsAdmin ? AS_ADMIN : undefined,
  )
  switch (outcome.kind) {
    case 'released':
      // JSON and not nothing: the vendor's clients, old and new, take both, others may not
      return { status: 200, body: {} }
    case 'conflict':
      return alreadyLocked(headers.accept)
    case 'resource_not_found':
      return notFound(resource, outcome.resources)
    case 'selection_has_no_children':
      return selectionHasNoChildren()
    case 'too_many_resources':
      return tooMany(outcome.most)
  }
}

/** What PUT and DELETE have in common. Their bodies are ignored, but read: half a request changes nothing. */
async function changeOf(request: WireRequest, settings: BimplusSettings) {
  const resource = objectOf(request)
  const { principal, session } = await signedIn(request, resource.namespace)
  const expand = expandOf(flagOf(request, 'withChildren'), settings)
  const isAsAdmin = flagOf(request, 'asAdmin') ?? false
  await request.body(['*/*'])
  return { principal, client: session.client, resource, expand, isAsAdmin }
}

/** Said, `withChildren=true` refuses a selection; left out, it is true for objects only, unless the setting is strict. */
function expandOf(withChildren: boolean | undefined, settings: BimplusSettings): Expand {
  if (withChildren === false) return 'elements'
  return withChildren === true || settings.refusesSelectionsByDefault ? 'children' : 'contents'
}

/** Refuses an object that nobody can lock. */
async function requireKnown(services: AppServices, principal: Principal, resource: Resource): Promise<void> {
  if (!(await services.catalogue.exists(principal, resource))) objectNotFound()
}

function listOf({ locks, isWhole }: List, numbers: ReadonlyMap<string, number>): Reply {
  return {
    status: 200,
    ...(!isWhole && { headers: TRUNCATED }),
    body: presentLocks(locks, numbers),
  }
}

function objectNotFound(): never {
  throw new Refusal('resource_not_found', 'the team has no such object')
}

function notFound(resource: Resource, unknown: readonly Resource[]): never {
  if (unknown.some(({ type, id }) => type === resource.type && id === resource.id)) {
    objectNotFound()
  }
  throw new Refusal('forbidden', 'the selection has an element that does not exist')
}

function selectionHasNoChildren(): never {
  throw new Refusal(
    'invalid_request',
    'the object is a selection, which has elements and no children: send withChildren=false',
  )
}

function tooMany(most: number): never {
  throw new Refusal('invalid_request', `the object has more than ${most} objects below it`)
}
