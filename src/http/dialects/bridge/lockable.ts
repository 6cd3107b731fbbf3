import { Refusal } from '../../../locks/errors.ts'
import type { Resource } from '../../../locks/resource.ts'
import type { BridgeSettings } from './settings.ts'

/** What the API can lock: how paths name it, its type in answers, and its resource type. */
export interface Lockable {
  readonly path: string
  readonly type: string
  readonly resourceType: string
}

/** The vendor's page knows the type CourseTemplate alone, while its paths lock tasks as well. */
export function lockablesOf({ courseTemplateType, taskType }: BridgeSettings): readonly Lockable[] {
  return [
    { path: 'course_templates', type: 'CourseTemplate', resourceType: courseTemplateType },
    { path: 'tasks', type: 'Task', resourceType: taskType },
  ]
}

const LARGEST_ID = 2n ** 63n - 1n

/** Ids are a database's: positive, within 64 bits. No second spelling is taken, for it would be a second lock. */
export function resourceOf(namespace: string, { type, resourceType }: Lockable, id: string): Resource {
  if (!/^[1-9]\d{0,18}$/.test(id) || BigInt(id) > LARGEST_ID) {
    throw new Refusal(
      'resource_not_found',
      `there is no such ${type}: ids are positive whole numbers of 64 bits, in decimal without leading zeros`,
    )
  }
  return { namespace, type: resourceType, id }
}
