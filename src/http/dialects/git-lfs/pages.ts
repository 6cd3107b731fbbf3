import { z } from 'zod'
import type { Lock } from '../../../locks/lock.ts'
import type { LockFilter } from '../../../locks/lock-store.ts'
import type { AppServices } from '../../services.ts'
import { isRowId } from '../../v1/schemas.ts'
import type { Caller } from './caller.ts'

const USUAL_LIMIT = 100
const MOST = 1000

/** Opaque to clients; the id of the last lock of the page before. None: the first page. */
export const cursor = z
  .string()
  .refine(value => value === '' || isRowId(value), {
    error: 'is not a cursor of this list: take `next_cursor` of the page before',
  })
  .transform(value => (value === '' ? undefined : value))

/** Locks of one page. 0 is what a client writes that has no wish; what is above the bound is cut to it. */
export function sizeOf(limit: number): number {
  return limit === 0 ? USUAL_LIMIT : Math.min(limit, MOST)
}

export interface Page {
  readonly locks: readonly Lock[]
  /** Left out on the last page: a client asks on for as long as there is one. */
  readonly next_cursor?: string
}

/**
 * Locks of the repository in the order of their ids, whichever API they were taken with. A lock that is granted
 * meanwhile comes on the last page, and one that is released moves no other from page to page.
 */
export async function pageOf(
  { locks }: AppServices,
  { principal, namespace, type }: Caller,
  filter: Pick<LockFilter, 'id' | 'lockId'>,
  after: string | undefined,
  limit: number,
): Promise<Page> {
  const size = sizeOf(limit)
  const found = await locks.list(principal, {
    namespace,
    type,
    ...filter,
    afterLockId: after,
    limit: size + 1,
  })
  const page = found.slice(0, size)
  const last = page.at(-1)
  return { locks: page, ...(found.length > size && last !== undefined && { next_cursor: last.id }) }
}
