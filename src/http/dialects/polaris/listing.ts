import type { Principal } from '../../../locks/api-key.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { LockFilter } from '../../../locks/lock-store.ts'
import type { AppServices } from '../../services.ts'
import { objectTypeOf } from './object-types.ts'
import type { PolarisSettings } from './settings.ts'
import { canonicalNumber } from './whole-number.ts'

/** Locks read at a time. */
const PAGE = 1000

/**
 * Every live lock that the filter lets through, in the order of their ids, however many: the API has no pages. Locks
 * whose type is none of this API's or whose id is no number cannot be told here, and are left out.
 */
export async function everyLock(
  { locks }: AppServices,
  { namespace, types }: PolarisSettings,
  principal: Principal,
  filter: Pick<LockFilter, 'holder' | 'client'>,
): Promise<readonly Lock[]> {
  const byObject = new Map<string, Lock>()
  let afterLockId: string | undefined
  for (;;) {
    const page = await locks.list(principal, { ...filter, namespace, afterLockId, limit: PAGE })
    for (const lock of page) {
      const { type, id } = lock.resource
      if (objectTypeOf(types, type) === undefined || canonicalNumber(id) === undefined) continue
      // an object that was released and locked again between two pages is met twice: the later lock is the live one
      const object = `${type} ${id}`
      byObject.delete(object)
      byObject.set(object, lock)
    }
    if (page.length < PAGE) return [...byObject.values()]
    afterLockId = page.at(-1)?.id
  }
}
