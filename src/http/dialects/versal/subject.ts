import { RESOURCE_LIMITS, type Resource } from '../../../locks/resource.ts'

/** What a lock of this API is about. */
export interface Subject {
  readonly courseId: string
  readonly gadgetId: string
}

/** What this API calls what it locks, whatever the resource type is. */
export const GADGET = 'gadget'
/** The resource type of courses. None of them is ever locked. */
export const COURSE = 'course'

/** Longest ids, in bytes of UTF-8: both and the slash between them can be one id of a resource. */
const MAX_COURSE_ID_BYTES = 255
export const MAX_GADGET_ID_BYTES = RESOURCE_LIMITS.id - MAX_COURSE_ID_BYTES - 1

const COURSE_ID = /^[a-z0-9]{6,}$/
/** One spelling a number: a second one would be a second lock on the same gadget. */
const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/

/**
 * Whether a text can name a course: a course id, or the decimal of a signed 64-bit integer that older clients use.
 * Neither has a slash in it, so that the first slash of a resource's id can end the course's part.
 */
export function isCourseKey(text: string): boolean {
  if (text.length > MAX_COURSE_ID_BYTES) return false
  return COURSE_ID.test(text) || (INTEGER.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text))
}

export function courseResource(namespace: string, courseId: string): Resource {
  return { namespace, type: COURSE, id: courseId }
}
