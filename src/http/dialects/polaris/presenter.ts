import type { Grant, Lock } from '../../../locks/lock.ts'
import type { AppServices } from '../../services.ts'
import { objectTypeOf } from './object-types.ts'
import type { PolarisSettings } from './settings.ts'
import { canonicalNumber } from './whole-number.ts'

/**
 * What every answer about a lock has. WorkstationID is 0 for a lock that was taken through another API, by a client
 * that is no number.
 */
interface LockJson {
  readonly ObjectTypeID: number
  readonly ObjectID: number
  readonly PolarisUserID: number
  readonly WorkstationID: number
  readonly LockDate: string
}

/** What is shown of a lock. */
export type ShownLock = Pick<Lock, 'resource' | 'holder' | 'client' | 'lockTime'>

/** How locks are shown. Some of the vendor's answers lack what others have, and so do these. */
export interface LockWords {
  plain(lock: ShownLock): LockJson
  /** With the names of who holds it. */
  withNames(
    lock: ShownLock,
  ): LockJson & { readonly PolarisUserName: string; readonly WorkstationName: string }
}

/** The words for these locks: the numbers of their holders are asked for together. */
export async function wordsFor(
  { users }: AppServices,
  { types }: PolarisSettings,
  locks: readonly ShownLock[],
): Promise<LockWords> {
  const numbers = await users.numbersOf(locks.map(lock => lock.holder))
  const plain = (lock: ShownLock): LockJson => ({
    ObjectTypeID: objectTypeOf(types, lock.resource.type) ?? 0,
    ObjectID: canonicalNumber(lock.resource.id) ?? 0,
    PolarisUserID: numbers.get(lock.holder) ?? 0,
    WorkstationID: canonicalNumber(lock.client ?? '') ?? 0,
    LockDate: presentDate(lock.lockTime),
  })
  return {
    plain,
    withNames: lock => ({
      ...plain(lock),
      PolarisUserName: lock.holder,
      // there is no register of workstations: what the client called itself is all that is known
      WorkstationName: lock.client ?? '',
    }),
  }
}

/** One lock that was asked for. */
export function presentLocked(words: LockWords, { lock, existing }: Grant): object {
  return { ExistingLock: existing, ...words.plain(lock), LockExistsInDatabase: true }
}

/** One of many that were asked for. */
export function presentLockedOfMany(words: LockWords, { lock, existing }: Grant): object {
  return { ...words.withNames(lock), ExistingLock: existing, LockExistsInDatabase: true }
}

/** One of a list. The two flags speak of an attempt to lock, so a list has false, as the vendor's do. */
export function presentListed(words: LockWords, lock: ShownLock): object {
  return { ...words.withNames(lock), ExistingLock: false, StaffEmail: '', LockExistsInDatabase: false }
}

/** `2016-01-15T16:01:16.36+00:00`: ISO 8601 in UTC, zeros at the end of the milliseconds left out. */
export function presentDate(date: Date): string {
  return date.toISOString().replace(/\.?0*Z$/, '+00:00')
}
