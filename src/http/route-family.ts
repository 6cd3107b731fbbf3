import type { ErrorPresenter } from './problem.ts'
import type { BodyRules } from './request-body.ts'
import type { Route } from './route.ts'
import type { WireRoute } from './wire-route.ts'

/** Routes that speak one wire format. */
export type RouteFamily = NativeFamily | WireFamily

interface FamilyBase {
  /**
   * Every path that is one of these, or goes on below one, belongs to the family, also those that are no route:
   * the errors there are in its words.
   */
  readonly prefixes: readonly string[]
  readonly presentError: ErrorPresenter
}

/** Routes of our own: declared with schemas, and documented from them. */
export interface NativeFamily extends FamilyBase {
  readonly kind: 'native'
  readonly routes: readonly Route[]
  readonly body: BodyRules
}

/** A dialect: somebody else's API on the same locks. */
export interface WireFamily extends FamilyBase {
  readonly kind: 'wire'
  readonly routes: readonly WireRoute[]
  /** True: its paths are the same in upper and lower case. */
  readonly ignoresCase?: boolean
  readonly bodyLimitBytes: number
  /** Sent with every answer, errors included. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Spaces at the end of a path: a published client sends them. */
const TRAILING_SPACES = /(?:%20)+$/

/** A dialect's path without the spaces at its end. */
export function trimmedPath(path: string): string {
  return path.replace(TRAILING_SPACES, '')
}

/** The first family that claims a path. */
export function familyOf(families: readonly RouteFamily[], path: string): RouteFamily | undefined {
  return families.find(family => {
    const asCompared = family.kind === 'wire' ? wirePath(family, path) : path
    return family.prefixes.some(prefix => asCompared === prefix || asCompared.startsWith(`${prefix}/`))
  })
}

function wirePath(family: WireFamily, path: string): string {
  const trimmed = trimmedPath(path)
  return family.ignoresCase === true ? trimmed.toLowerCase() : trimmed
}
