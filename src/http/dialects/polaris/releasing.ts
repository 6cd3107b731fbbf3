import type { Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import type { Lock } from '../../../locks/lock.ts'
import type { AppServices } from '../../services.ts'

/** Releases locks of the principal; one that is gone already is no matter. */
export async function releaseLocks(
  { locks }: AppServices,
  principal: Principal,
  namespace: string,
  released: readonly Lock[],
): Promise<void> {
  for (const { id } of released) {
    try {
      await locks.release(principal, namespace, id)
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 'lock_not_found')) throw error
    }
  }
}
