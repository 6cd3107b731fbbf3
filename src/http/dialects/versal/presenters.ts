import type { User } from '../../../locks/user.ts'
import type { AppServices } from '../../services.ts'
import type { GadgetLock } from './gadget-naming.ts'
import { GADGET, type Subject } from './subject.ts'

/** Resource lock. The published model has no `id`, though nobody could delete a lock without one. */
export interface WireLock {
  readonly type: typeof GADGET
  readonly subject: Subject
  /** A user's number, as text. */
  readonly ownerId: string
  /** Milliseconds that are left. Not there: until released, which only another API asks for. */
  readonly expiresIn?: number
  readonly id: string
}

/** Locks on gadgets as this API shows them. */
export async function presentLocks(
  users: AppServices['users'],
  locks: readonly GadgetLock[],
): Promise<readonly WireLock[]> {
  const numbers = await users.numbersOf(locks.map(({ lock }) => lock.holder))
  return locks.map(({ lock: { id, holder, expiresInSeconds }, subject }) => {
    const number = numbers.get(holder)
    if (number === undefined) throw new Error(`the user ${holder} has no number`)
    return {
      type: GADGET,
      subject,
      ownerId: String(number),
      ...(expiresInSeconds !== null && { expiresIn: Math.max(0, Math.floor(expiresInSeconds * 1000)) }),
      id,
    }
  })
}

const SLUG = /^[\w+-]+$/
const EMAIL = /^[^@\s]+@[^@\s]+$/

/** Response user. A user has one name here; it is shown as what the published types let it be. */
export function presentUser({ name, number }: User) {
  return {
    ...(SLUG.test(name) && { username: name }),
    ...(EMAIL.test(name) && { email: name }),
    displayname: name,
    id: String(number),
    orgs: [],
    subscriptions: [],
  }
}
