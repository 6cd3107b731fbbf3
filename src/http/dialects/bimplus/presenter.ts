import type { Lock } from '../../../locks/lock.ts'

/** The locks of one user, as the vendor's request model has them. */
export interface HolderJson {
  readonly user: { readonly id: string; readonly email: string }
  /** Ids of the locked objects. */
  readonly objects: readonly string[]
}

/** One entry for each holder, in the order of the locks. `numbers` has all of them. */
export function presentLocks(
  locks: readonly Pick<Lock, 'holder' | 'resource'>[],
  numbers: ReadonlyMap<string, number>,
): readonly HolderJson[] {
  const objectsOf = new Map<string, string[]>()
  for (const { holder, resource } of locks) {
    const objects = objectsOf.get(holder)
    if (objects === undefined) objectsOf.set(holder, [resource.id])
    else objects.push(resource.id)
  }
  return [...objectsOf].map(([holder, objects]) => ({
    user: { id: userGuid(numbers.get(holder)), email: holder },
    objects,
  }))
}

/**
 * A GUID that stands for a user, always the same: a UUID of version 8, which leaves the contents to its maker, with
 * the user's number at its end.
 */
function userGuid(number: number | undefined): string {
  if (number === undefined) throw new Error('a holder has no number')
  return `00000000-0000-8000-8000-${number.toString(16).padStart(12, '0')}`
}
