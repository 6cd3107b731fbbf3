import type { CatalogueEntry, Namespace } from './catalogue.ts'
import type { Resource } from './resource.ts'

/** What a change of the catalogue can come to. Only `done` changed anything. */
export type CatalogueOutcome =
  | { readonly kind: 'done'; readonly count: number }
  /** A parent that is neither in the catalogue nor among the entries. */
  | { readonly kind: 'parent_not_found'; readonly resource: Resource }
  /** The entry would be among its own ancestors. */
  | { readonly kind: 'cycle'; readonly resource: Resource }

/** Where catalogues live. Throws `DatabaseTrouble` like LockStore. */
export interface CatalogueStore {
  /** A namespace that nobody has said anything about is open. */
  getNamespace(name: string): Promise<Namespace>
  setNamespace(namespace: Namespace): Promise<void>
  /** Adds entries and replaces those that are there, all or none. All are of one namespace, no two the same. */
  put(namespace: string, entries: readonly CatalogueEntry[]): Promise<CatalogueOutcome>
  get(resource: Resource): Promise<CatalogueEntry | undefined>
  /** Takes an entry out. Its locks are not touched. */
  remove(resource: Resource): Promise<'removed' | 'not_found' | 'has_children'>
}
