import type { Lock } from '../../../locks/lock.ts'
import type { Reply } from '../../route.ts'
import { LFS_TYPE } from './errors.ts'

/** A lock in the published form. `owner` is in every one of them: a lock without it crashes the client. */
export interface LockJson {
  readonly id: string
  readonly path: string
  readonly locked_at: string
  readonly owner: { readonly name: string }
}

export function presentLock({ id, resource, holder, lockTime }: Lock): LockJson {
  return { id, path: resource.id, locked_at: toTheSecond(lockTime), owner: { name: holder } }
}

/** `a.bin is locked by steves since 2026-01-06T15:13:11Z`, which is all that a refused user gets to see. */
export function whoHolds({ resource, holder, lockTime }: Lock): string {
  return `${resource.id} is locked by ${holder} since ${toTheSecond(lockTime)}`
}

/** The published API wants RFC 3339 in seconds. */
function toTheSecond(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`
}

export function lfsReply(status: number, body: object): Reply {
  return { status, type: LFS_TYPE, body }
}
