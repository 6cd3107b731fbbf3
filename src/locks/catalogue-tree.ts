import type { CatalogueEntry, ResourceName } from './catalogue.ts'
import type { CatalogueOutcome } from './catalogue-store.ts'

/** The parents of resources that are in the catalogue, by key; null for a root. */
export type ParentOf = ReadonlyMap<string, ResourceName | null>

/** Names a resource within its namespace. */
export function keyOf({ type, id }: ResourceName): string {
  return JSON.stringify([type, id])
}

/**
 * What is wrong with a catalogue that has these entries: a parent that nobody has, or a resource among its own
 * ancestors. `above` has the ancestors of the parents that are not among the entries. Takes time in proportion
 * to the entries: what was found to lead to a root is not walked again.
 */
export function findFlaw(
  entries: readonly CatalogueEntry[],
  above: ParentOf,
): Exclude<CatalogueOutcome, { kind: 'done' }> | undefined {
  const parents = new Map<string, ResourceName | null>(above)
  for (const { resource, parent } of entries) parents.set(keyOf(resource), parent)
  const leadsToRoot = new Set<string>()
  for (const { resource } of entries) {
    const walked = new Set<string>()
    let at: ResourceName | null = resource
    while (at !== null) {
      const key = keyOf(at)
      if (leadsToRoot.has(key)) break
      if (walked.has(key)) return { kind: 'cycle', resource }
      walked.add(key)
      const next = parents.get(key)
      if (next === undefined) return { kind: 'parent_not_found', resource }
      at = next
    }
    for (const key of walked) leadsToRoot.add(key)
  }
  return undefined
}
