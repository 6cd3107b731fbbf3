import type { Resource } from './resource.ts'

/** A resource inside a namespace that is known from elsewhere. */
export interface ResourceName {
  readonly type: string
  readonly id: string
}

/** `object`: a thing, perhaps with children. `selection`: a choice of things, its elements. */
export const RESOURCE_KINDS = ['object', 'selection'] as const
export type ResourceKind = (typeof RESOURCE_KINDS)[number]

/** What a namespace knows of one of its resources. */
export interface CatalogueEntry {
  readonly resource: Resource
  readonly parent: ResourceName | null
  readonly kind: ResourceKind
  /** Of a selection; empty for an object. Elements need not be in the catalogue. */
  readonly elements: readonly ResourceName[]
}

/** Most elements of one selection: what one acquire may name. */
export const MAX_ELEMENTS = 1000

/** Most entries of one import. They are checked and written by one statement, so they are held in memory. */
export const MAX_IMPORT_ENTRIES = 200_000

/** Most elements of all selections of one import, for the same reason. */
export const MAX_IMPORT_ELEMENTS = 500_000

/** How a namespace treats resources that its catalogue does not have. */
export interface Namespace {
  readonly name: string
  /** True: they cannot be locked. */
  readonly isClosed: boolean
}
