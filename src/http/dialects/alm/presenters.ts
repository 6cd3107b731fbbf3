import type { Lock } from '../../../locks/lock.ts'
import { presentId } from './project.ts'
import type { AlmSettings } from './settings.ts'
import { almTime } from './times.ts'

/** A lock as the vendor's documentation shows it; the order of its members is the vendor's. */
export interface AlmLock {
  readonly type: 'lock'
  readonly id: number
  readonly entity: { readonly id: number | string; readonly type: string }
  readonly user: string
  readonly 'lock-time': string
  readonly 'session-last-touch': string
}

export function presentLock(lock: Lock, { timeZone }: AlmSettings): AlmLock {
  return {
    type: 'lock',
    id: Number(lock.id),
    entity: { id: presentId(lock.resource.id), type: lock.resource.type },
    user: lock.holder,
    'lock-time': almTime(lock.lockTime, timeZone),
    'session-last-touch': almTime(lock.sessionLastTouch, timeZone),
  }
}
