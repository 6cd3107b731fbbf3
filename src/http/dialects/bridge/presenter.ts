import type { Lock } from '../../../locks/lock.ts'
import type { Lockable } from './lockable.ts'

/** A lock as everybody sees it. Its id is left out: only who took the lock is told it. */
export function presentStatus(lockable: Lockable, lock: Lock, holderNumber: number) {
  return { lock: { ...presentLockable(lockable, lock, holderNumber), expires_in: secondsLeft(lock) } }
}

/** A lock as whoever took it sees it. Its id is that of its session. */
export function presentGrant(lockable: Lockable, lock: Lock, holderNumber: number) {
  return {
    lock: {
      id: lock.sessionId,
      ...presentLockable(lockable, lock, holderNumber),
      // of the lockable in the vendor's product; here the last thing known to have happened to it is this lock
      updated_at: lock.lockTime.toISOString().replace('Z', '+00:00'),
    },
  }
}

function presentLockable({ type }: Lockable, { resource }: Lock, holderNumber: number) {
  const number = Number(resource.id)
  return {
    // beyond 2^53 a number would lose digits in most clients, and name another lockable
    lockable_id: Number.isSafeInteger(number) ? number : resource.id,
    lockable_type: type,
    holder_id: String(holderNumber),
  }
}

/** Rounded up, so that a lock is all of its time old when it is new. Null: taken through another API, without end. */
function secondsLeft({ expiresInSeconds }: Lock): number | null {
  return expiresInSeconds === null ? null : Math.ceil(expiresInSeconds)
}
