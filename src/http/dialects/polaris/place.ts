import { Refusal } from '../../../locks/errors.ts'
import type { Resource } from '../../../locks/resource.ts'
import { invalid } from './errors.ts'
import { resourceTypeOf } from './object-types.ts'
import type { PolarisSettings } from './settings.ts'
import { wholeNumber } from './whole-number.ts'

/** Ahead of every path but that of the service's status. */
const VERSIONED = '/Polaris.ApplicationServices/api/{version}/{language}/{productId}'

/** Where sign-ins are; those come before a site and a workstation are known. */
export const SIGN_IN_PATH = `${VERSIONED}/authentication/staffuser`
/** Ahead of every other call. */
export const OBJECT_LOCKS_PATH = `${VERSIONED}/{siteDomain}/{organizationId}/{workstationId}/objectlocks`

/** ISO 639-2. */
const LANGUAGES = new Set(['ara', 'chi', 'eng', 'fas', 'fre', 'hat', 'haw', 'kor', 'rus', 'spa', 'vie'])
const MAX_PRODUCT_ID = 24
const SITE_DOMAIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

type Params = Readonly<Record<string, string>>

/** Refuses a version, language or product that does not exist. */
export function requireProduct(params: Params): void {
  const { version = '', language = '', productId = '' } = params
  if (version.toLowerCase() !== 'v1') {
    throw new Refusal('not_found', 'v1 is the only version of this API')
  }
  if (!LANGUAGES.has(language.toLowerCase())) {
    invalid('language', `must be one of ${[...LANGUAGES].join(', ')}`)
  }
  const product = wholeNumber(productId, 0)
  if (product === undefined || product > MAX_PRODUCT_ID) {
    invalid('productId', `must be an integer from 0 to ${MAX_PRODUCT_ID}`)
  }
}

/**
 * The workstation that a path is for, as the client of its locks: decimal, without zeros ahead. Sites and
 * organizations are only looked at: they share their locks, as all do that ask for the same object.
 */
export function workstationOf(params: Params): string {
  requireProduct(params)
  const { siteDomain = '', organizationId = '', workstationId = '' } = params
  if (!SITE_DOMAIN.test(siteDomain)) invalid('siteDomain', 'must be a name such as polaris')
  if (wholeNumber(organizationId, 0) === undefined) invalid('organizationId', 'must be an integer')
  const workstation = wholeNumber(workstationId, 1)
  if (workstation === undefined) invalid('workstationId', 'must be a positive integer')
  return String(workstation)
}

/** A number in a path that names a type of objects or one of them. */
export function objectNumber(params: Params, name: 'objecttypeid' | 'objectid'): number {
  return wholeNumber(params[name] ?? '', 1) ?? invalid(name, 'must be a positive integer')
}

/** The one resource that an object is. */
export function resourceOf({ namespace, types }: PolarisSettings, type: number, id: number): Resource {
  return { namespace, type: resourceTypeOf(types, type), id: String(id) }
}
