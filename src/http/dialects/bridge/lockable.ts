import { Refusal } from '../../../locks/errors.ts'
import type { Resource } from '../../../locks/resource.ts'

/** What the API can lock: how paths name it, and its type in answers, which is the resource's type too. */
export interface Lockable {
  readonly path: string
  readonly type: string
}

/** The vendor's page knows the type CourseTemplate alone, while its paths lock tasks as well. */
export const LOCKABLES: readonly Lockable[] = [
  { path: 'course_templates', type: 'CourseTemplate' },
  { path: 'tasks', type: 'Task' },
]

const LARGEST_ID = 2n ** 63n - 1n

/** Ids are a database's: positive, within 64 bits. No second spelling is taken, for it would be a second lock. */
export function resourceOf(namespace: string, { type }: Lockable, id: string): Resource {
  if (!/^[1-9]\d{0,18}$/.test(id) || BigInt(id) > LARGEST_ID) {
    throw new Refusal(
      'resource_not_found',
      `there is no such ${type}: ids are positive whole numbers of 64 bits, in decimal without leading zeros`,
    )
  }
  return { namespace, type, id }
}
