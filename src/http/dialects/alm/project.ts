import type { Principal } from '../../../locks/api-key.ts'
import { RESOURCE_LIMITS, type Resource } from '../../../locks/resource.ts'
import type { WireRequest } from '../../wire-route.ts'
import { AlmError, wrongField } from './errors.ts'

/** Of every path of a project. */
export const PROJECT = 'domains/{domain}/projects/{project}'

/** Entity types as the vendor writes them. One spelling only: another would be another lock on the same entity. */
const ENTITY_TYPE = /^[a-z][a-z0-9_-]*$/

/** A collection is its type with an s, whatever English makes of it (`scm-branchs`), but for this one. */
const IRREGULAR: ReadonlyMap<string, string> = new Map([
  ['lab-runs-protocol-granularities', 'lab-runs-protocol-granularity'],
])

/**
 * The namespace of a project. The vendor's own page writes one domain as `default` and `DEFAULT`, and its domains
 * are upper-case: were they told apart, an entity would have two locks. Projects are taken as they are.
 */
export function namespaceOf({ params }: WireRequest): string {
  const { domain = '', project = '' } = params
  const namespace = `${domain.toUpperCase()}/${project}`
  // with a slash in the domain, two projects could come to the same namespace
  if (domain.includes('/') || Buffer.byteLength(namespace) > RESOURCE_LIMITS.namespace) {
    throw new AlmError(404, 'qccore.general-error', 'There is no such project.')
  }
  return namespace
}

/** The type of a collection's entities: `defect` of `defects`. */
export function entityTypeOf(collection: string): string {
  const type = IRREGULAR.get(collection) ?? (collection.endsWith('s') ? collection.slice(0, -1) : '')
  if (isEntityType(type) && type !== 'lock') return type
  throw new AlmError(404, 'qccore.entity-not-found', `There is no collection ${collection}.`)
}

function isEntityType(type: string): boolean {
  return ENTITY_TYPE.test(type) && type.length <= RESOURCE_LIMITS.type
}

/**
 * The one spelling of an entity's id. Numbers lose their leading zeros; texts that only look like numbers (`+2`,
 * `2.0`, ` 2`) are none, since they would be a second name of an entity. Undefined: not an id.
 */
export function canonicalId(text: string): string | undefined {
  if (text === '' || text !== text.trim() || Buffer.byteLength(text) > RESOURCE_LIMITS.id) return undefined
  if (/^-?\d+$/.test(text)) return BigInt(text).toString()
  return Number.isNaN(Number(text)) ? text : undefined
}

/** The entity that a body names; `fields` is what the two are called there. */
export function resourceOf(
  namespace: string,
  { type, id }: { readonly type: unknown; readonly id: unknown },
  fields: { readonly type: string; readonly id: string },
): Resource {
  if (typeof type !== 'string' || !isEntityType(type)) wrongField(fields.type, type)
  const isId = typeof id === 'string' || (typeof id === 'number' && Number.isInteger(id))
  // a negative zero is written without its sign
  const canonical = isId ? canonicalId(String(id)) : undefined
  return { namespace, type, id: canonical ?? wrongField(fields.id, id) }
}

/** The id as JSON shows it: a number where it is one. */
export function presentId(id: string): number | string {
  return /^-?\d+$/.test(id) && Number.isSafeInteger(Number(id)) ? Number(id) : id
}

/**
 * The number of a lock in a path or a query. Undefined: no lock has it. Numbers of locks are small, and answers show
 * them as JSON numbers, so that one beyond 15 digits was never handed out.
 */
export function lockIdOf(text: string): string | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? text : undefined
}

/** The same for a path: 404 without it. */
export function requireLockId({ params }: WireRequest): string {
  const { id = '' } = params
  return lockIdOf(id) ?? lockNotFound(id)
}

export function lockNotFound(id: string): never {
  throw new AlmError(404, 'qccore.entity-not-found', `There is no lock ${id} in this project.`)
}

/** Refuses an entity that a closed namespace does not know. One that is locked is known, so that is asked first. */
export async function requireKnown(
  { services }: WireRequest,
  principal: Principal,
  resource: Resource,
): Promise<void> {
  if (!(await services.catalogue.exists(principal, resource))) entityNotFound(resource)
}

export function entityNotFound({ type, id }: Pick<Resource, 'type' | 'id'>, what = 'no'): never {
  throw new AlmError(404, 'qccore.entity-not-found', `There is ${what} ${type} ${id} in this project.`)
}
