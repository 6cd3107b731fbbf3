import type { Principal } from '../locks/api-key.ts'
import type { Lock } from '../locks/lock.ts'
import type { LockFilter } from '../locks/lock-store.ts'
import type { AppServices } from './services.ts'

/** Locks that are asked of the database at once, and in memory with all that they carry: up to some 5 MB. */
export const LOCKS_AT_ONCE = 1000

/**
 * The live locks that a filter lets through, in the order of their ids, however many: who reads them keeps of each no
 * more than is shown. A resource that is released and locked again between two pages is met twice.
 */
export async function* lockPages(
  { locks }: Pick<AppServices, 'locks'>,
  principal: Principal,
  filter: Omit<LockFilter, 'afterLockId' | 'limit'>,
): AsyncGenerator<readonly Lock[], void> {
  let afterLockId: string | undefined
  for (;;) {
    const page = await locks.list(principal, { ...filter, afterLockId, limit: LOCKS_AT_ONCE })
    yield page
    if (page.length < LOCKS_AT_ONCE) return
    afterLockId = page.at(-1)?.id
  }
}
