import { requireNamespace, requireRole } from './access.ts'
import type { Principal } from './api-key.ts'
import {
  type CatalogueEntry,
  MAX_ELEMENTS,
  MAX_IMPORT_ELEMENTS,
  MAX_IMPORT_ENTRIES,
  type Namespace,
} from './catalogue.ts'
import type { CatalogueOutcome, CatalogueStore } from './catalogue-store.ts'
import { keyOf } from './catalogue-tree.ts'
import { Refusal } from './errors.ts'
import type { Resource } from './resource.ts'

/** An entry, and how messages name it: `line 17`. */
export interface PlacedEntry {
  readonly entry: CatalogueEntry
  readonly place: string
}

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
    requireWriter(principal, namespace.name)
    await this.#store.setNamespace(namespace)
  }

  async get(principal: Principal, resource: Resource): Promise<CatalogueEntry> {
    requireNamespace(principal, resource.namespace)
    return (await this.#store.get(resource)) ?? notInCatalogue(resource)
  }

  /** Whether there is such a resource. In a namespace that is not closed there is every one. */
  async exists(principal: Principal, resource: Resource): Promise<boolean> {
    const { isClosed } = await this.getNamespace(principal, resource.namespace)
    return !isClosed || (await this.#store.get(resource)) !== undefined
  }

  /** Adds or replaces one entry. */
  async put(principal: Principal, entry: CatalogueEntry): Promise<void> {
    requireWriter(principal, entry.resource.namespace)
    await this.#write(entry.resource.namespace, [{ entry, place: 'parent' }])
  }

  /**
   * Adds or replaces entries of one namespace, all or none, and says how many. Access is decided before the first
   * of them is read.
   */
  async import(
    principal: Principal,
    namespace: string,
    entries: AsyncIterable<PlacedEntry>,
  ): Promise<number> {
    requireWriter(principal, namespace)
    const all: PlacedEntry[] = []
    let elements = 0
    for await (const placed of entries) {
      if (all.push(placed) > MAX_IMPORT_ENTRIES) {
        throw new Refusal('payload_too_large', `an import has at most ${MAX_IMPORT_ENTRIES} resources`)
      }
      elements += placed.entry.elements.length
      if (elements > MAX_IMPORT_ELEMENTS) {
        throw new Refusal(
          'payload_too_large',
          `the selections of an import have at most ${MAX_IMPORT_ELEMENTS} elements in all`,
        )
      }
    }
    return this.#write(namespace, all)
  }

  async #write(namespace: string, placed: readonly PlacedEntry[]): Promise<number> {
    requireProper(placed)
    const outcome = await this.#store.put(
      namespace,
      placed.map(({ entry }) => entry),
    )
    return outcome.kind === 'done' ? outcome.count : refuse(outcome, placed)
  }

  async remove(principal: Principal, resource: Resource): Promise<void> {
    requireWriter(principal, resource.namespace)
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

function requireWriter(principal: Principal, namespace: string): void {
  requireRole(principal, 'admin')
  requireNamespace(principal, namespace)
}

function requireProper(placed: readonly PlacedEntry[]): void {
  const seen = new Map<string, string>()
  for (const { entry, place } of placed) {
    const { resource, kind, elements } = entry
    const key = keyOf(resource)
    const first = seen.get(key)
    if (first !== undefined) invalid(place, `is the same resource as ${first}`)
    seen.set(key, place)
    if (kind === 'object' && elements.length > 0) invalid(place, 'is an object, so it has no elements')
    if (elements.length > MAX_ELEMENTS) invalid(place, `has more than ${MAX_ELEMENTS} elements`)
    if (new Set(elements.map(keyOf)).size < elements.length) invalid(place, 'has an element twice')
  }
}

function refuse(outcome: Exclude<CatalogueOutcome, { kind: 'done' }>, placed: readonly PlacedEntry[]): never {
  const flawed = keyOf(outcome.resource)
  const place = placed.find(({ entry }) => keyOf(entry.resource) === flawed)?.place ?? 'body'
  return outcome.kind === 'cycle'
    ? invalid(place, 'would be among its own ancestors')
    : invalid(place, 'has a parent, or an ancestor, that the catalogue does not have')
}

function invalid(field: string, message: string): never {
  throw new Refusal('invalid_request', `${field} ${message}`, { fields: [{ field, message }] })
}
