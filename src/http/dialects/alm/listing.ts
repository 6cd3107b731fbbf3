import { MAX_LISTED_WHOLE, MAX_RESOURCES_PER_ACQUIRE } from '../../../locks/resource.ts'
import { LOCKS_AT_ONCE, lockPages } from '../../lock-pages.ts'
import type { AppServices } from '../../services.ts'
import type { View } from './collection.ts'
import { AlmError } from './errors.ts'
import { compare, type Filter, fieldOf, holderIn, matches } from './filter.ts'
import { type AlmLock, presentLock } from './presenters.ts'
import type { AlmSettings } from './settings.ts'
import type { Visit } from './visit.ts'

type Order = View['order']
type Where = Pick<Visit, 'principal' | 'namespace'>

/**
 * The page of a view, and how many locks there are on all pages. Every lock is read, since all are counted; no more are
 * kept than the page needs, which with an order are all that may come before it.
 */
export async function pageOf(
  services: AppServices,
  settings: AlmSettings,
  where: Where,
  { filter, order, start, size }: View,
): Promise<{ readonly page: readonly AlmLock[]; readonly total: number }> {
  const end = start + size
  const most = Math.min(end, MAX_LISTED_WHOLE)
  let kept: AlmLock[] = []
  let total = 0
  for await (const found of matching(services, settings, where, filter)) {
    const isOrdered = order.length > 0
    const wanted = isOrdered ? found : found.slice(Math.max(0, start - total), Math.max(0, end - total))
    for (const { shown } of wanted) kept.push(shown)
    total += found.length
    if (!isOrdered) continue
    if (end > MAX_LISTED_WHOLE && total > MAX_LISTED_WHOLE) return beyondOrder()
    if (kept.length > 2 * most + LOCKS_AT_ONCE) kept = firstOf(kept, order, most)
  }
  return { page: order.length > 0 ? firstOf(kept, order, end).slice(start) : kept, total }
}

/**
 * The ids of all locks that a filter lets through, and the first of these as they are shown: as many as a release
 * answers.
 */
export async function chosenBy(
  services: AppServices,
  settings: AlmSettings,
  where: Where,
  filter: Filter,
): Promise<{ readonly lockIds: readonly string[]; readonly shown: ReadonlyMap<string, AlmLock> }> {
  const lockIds: string[] = []
  const first = new Map<string, AlmLock>()
  for await (const found of matching(services, settings, where, filter)) {
    for (const { id, shown } of found) {
      lockIds.push(id)
      if (first.size < MAX_RESOURCES_PER_ACQUIRE) first.set(id, shown)
    }
  }
  return { lockIds, shown: first }
}

/** The live locks of a project that a filter lets through, in the order of their numbers. */
async function* matching(
  services: AppServices,
  settings: AlmSettings,
  { principal, namespace }: Where,
  filter: Filter,
): AsyncGenerator<readonly { readonly id: string; readonly shown: AlmLock }[], void> {
  for await (const page of lockPages(services, principal, { namespace, holder: holderIn(filter) })) {
    yield page
      .map(lock => ({ id: lock.id, shown: presentLock(lock, settings) }))
      .filter(({ shown }) => matches(shown, filter))
  }
}

/** `locks` is in the order of the locks' numbers where an order finds them equal, and so is the answer. */
function firstOf(locks: readonly AlmLock[], order: Order, most: number): AlmLock[] {
  return [...locks].sort((one, other) => compareBy(order, one, other)).slice(0, most)
}

function compareBy(order: Order, one: AlmLock, other: AlmLock): number {
  for (const { field, isDescending } of order) {
    const difference = compare(fieldOf(one, field), fieldOf(other, field))
    if (difference !== 0) return isDescending ? -difference : difference
  }
  return 0
}

function beyondOrder(): never {
  throw new AlmError(
    400,
    'qccore.general-error',
    `With order-by, pages end at the first ${MAX_LISTED_WHOLE} locks: narrow the query, or leave order-by out.`,
  )
}
