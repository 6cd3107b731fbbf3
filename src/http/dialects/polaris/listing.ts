import type { Principal } from '../../../locks/api-key.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { LockFilter } from '../../../locks/lock-store.ts'
import { MAX_LISTED_WHOLE } from '../../../locks/resource.ts'
import { lockPages } from '../../lock-pages.ts'
import type { AppServices } from '../../services.ts'
import { objectTypeOf } from './object-types.ts'
import type { ShownLock } from './presenter.ts'
import type { PolarisSettings } from './settings.ts'
import { canonicalNumber } from './whole-number.ts'

type Whose = Pick<LockFilter, 'holder' | 'client'>

/**
 * The live locks that the filter lets through, in the order of their ids: the API has no pages. `isWhole` is false
 * where MAX_LISTED_WHOLE of them are not all.
 */
export async function listed(
  services: AppServices,
  settings: PolarisSettings,
  principal: Principal,
  filter: Whose,
): Promise<{ readonly locks: readonly ShownLock[]; readonly isWhole: boolean }> {
  const byObject = new Map<string, ShownLock>()
  for await (const page of objectLockPages(services, settings, principal, filter)) {
    for (const { resource, holder, client, lockTime } of page) {
      // an object that was released and locked again between two pages is met twice: the later lock is the live one
      const object = `${resource.type} ${resource.id}`
      byObject.delete(object)
      byObject.set(object, { resource, holder, client, lockTime })
    }
    if (byObject.size > MAX_LISTED_WHOLE) {
      return { locks: [...byObject.values()].slice(0, MAX_LISTED_WHOLE), isWhole: false }
    }
  }
  return { locks: [...byObject.values()], isWhole: true }
}

/** The ids of all that were granted before an instant, however many. */
export async function idsOfEarlier(
  services: AppServices,
  settings: PolarisSettings,
  principal: Principal,
  { before, ...filter }: Whose & { readonly before: Date },
): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const page of objectLockPages(services, settings, principal, filter)) {
    for (const { id, lockTime } of page) if (lockTime < before) ids.push(id)
  }
  return ids
}

/** Locks whose type is none of this API's or whose id is no number cannot be told here, and are left out. */
async function* objectLockPages(
  services: AppServices,
  { namespace, types }: PolarisSettings,
  principal: Principal,
  filter: Whose,
): AsyncGenerator<readonly Lock[], void> {
  for await (const page of lockPages(services, principal, { ...filter, namespace })) {
    yield page.filter(
      ({ resource: { type, id } }) =>
        objectTypeOf(types, type) !== undefined && canonicalNumber(id) !== undefined,
    )
  }
}
