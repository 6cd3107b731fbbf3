/**
 * What is locked: an id of a type in a namespace (`DEFAULT/REST`, `defect`, `2`).
 * Two resources are the same one if and only if all three texts are equal byte for byte:
 * no case folding, no Unicode normalisation.
 */
export interface Resource {
  readonly namespace: string
  readonly type: string
  readonly id: string
}

/**
 * Longest texts, in bytes of UTF-8. The three together stay below the 2,704 bytes that a PostgreSQL
 * index entry can hold, so that no accepted resource fails later inside the database.
 */
export const RESOURCE_LIMITS = { namespace: 255, type: 255, id: 1024 } as const

/**
 * Most resources in one acquire. Each one is a claim in PostgreSQL's shared lock table, which holds
 * some 12,000 entries for everybody at the default settings.
 */
export const MAX_RESOURCES_PER_ACQUIRE = 1000

/**
 * Most resources that the ones of an acquire or a release can stand for, by the catalogue: as many as an import can
 * bring. They are taken without claims of their own, in some ten seconds.
 */
export const MAX_EXPANDED_RESOURCES = 200_000

/** Most conflicts and missing resources that are listed where a request was expanded; all are counted. */
export const MAX_LISTED = 100

/** Most locks in a list that has no pages: some ten megabytes while it is answered. */
export const MAX_LISTED_WHOLE = 10_000
