import { requireNamespace, requireRole } from './access.ts'
import type { Principal } from './api-key.ts'
import { type CatalogueEntry, MAX_ELEMENTS, MAX_IMPORT_ENTRIES, type Namespace } from './catalogue.ts'
import type { CatalogueOutcome, CatalogueStore } from './catalogue-store.ts'
import { keyOf } from './catalogue-tree.ts'
import { Refusal } from './errors.ts'
import type { Resource } from './resource.ts'

/** The rules around catalogues: everybody with a key of the namespace reads, its administrators write. */
export class CatalogueService {
  readonly #store: CatalogueStore

  constructor(store: CatalogueStore) {
    this.#store = store
  }

  async getNamespace(principal: Principal, name: string): Promise<Namespace> {
    requireNamespace(principal, name)
    return this.#store.getNamespace(name)
  }

  async setNamespace(principal: Principal, namespace: Namespace): Promise<void> {
    requireRole(principal, 'admin')
    requireNamespace(principal, namespace.name)
    await this.#store.setNamespace(namespace)
  }

  async get(principal: Principal, resource: Resource): Promise<CatalogueEntry> {
    requireNamespace(principal, resource.namespace)
    return (await this.#store.get(resource)) ?? notInCatalogue(resource)
  }

  /** Adds or replaces entries of one namespace, all or none. `place` names an entry in messages. */
  async put(
    principal: Principal,
    namespace: string,
    entries: readonly CatalogueEntry[],
    place: (index: number) => string,
  ): Promise<number> {
    requireRole(principal, 'admin')
    requireNamespace(principal, namespace)
    requireProper(entries, place)
    const outcome = await this.#store.put(namespace, entries)
    if (outcome.kind === 'done') return outcome.count
    return refuse(outcome, entries, place)
  }

  async remove(principal: Principal, resource: Resource): Promise<void> {
    requireRole(principal, 'admin')
    requireNamespace(principal, resource.namespace)
    const outcome = await this.#store.remove(resource)
    if (outcome === 'not_found') notInCatalogue(resource)
    if (outcome === 'has_children') {
      throw new Refusal('resource_has_children', 'the resource has children; remove or move them first')
    }
  }
}

function notInCatalogue({ type, id }: Resource): never {
  throw new Refusal('resource_not_found', `the catalogue has no ${type} ${id}`)
}

function requireProper(entries: readonly CatalogueEntry[], place: (index: number) => string): void {
  if (entries.length > MAX_IMPORT_ENTRIES) {
    throw new Refusal('payload_too_large', `an import has at most ${MAX_IMPORT_ENTRIES} resources`)
  }
  const seen = new Map<string, number>()
  entries.forEach(({ resource, kind, elements }, index) => {
    const key = keyOf(resource)
    const first = seen.get(key)
    if (first !== undefined) invalid(place(index), `is the same resource as ${place(first)}`)
    seen.set(key, index)
    if (kind === 'object' && elements.length > 0) invalid(place(index), 'is an object, so it has no elements')
    if (elements.length > MAX_ELEMENTS) invalid(place(index), `has more than ${MAX_ELEMENTS} elements`)
    if (new Set(elements.map(keyOf)).size < elements.length) invalid(place(index), 'has an element twice')
  })
}

function refuse(
  outcome: Exclude<CatalogueOutcome, { kind: 'done' }>,
  entries: readonly CatalogueEntry[],
  place: (index: number) => string,
): never {
  const where = place(entries.findIndex(({ resource }) => keyOf(resource) === keyOf(outcome.resource)))
  if (outcome.kind === 'cycle') return invalid(where, 'would be among its own ancestors')
  return invalid(where, 'has a parent, or an ancestor, that the catalogue does not have')
}

function invalid(field: string, message: string): never {
  throw new Refusal('invalid_request', `${field} ${message}`, { fields: [{ field, message }] })
}
