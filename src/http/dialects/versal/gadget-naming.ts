import type { JsonObject, Lock } from '../../../locks/lock.ts'
import type { GadgetIds } from './settings.ts'
import { isCourseKey, type Subject } from './subject.ts'

/** What tells that a lock is on a gadget, and on which. */
type Named = Pick<Lock, 'resource' | 'metadata'>

/** What is shown of a lock, and the gadget that it is on. */
export interface GadgetLock {
  readonly lock: Pick<Lock, 'id' | 'holder' | 'expiresInSeconds'>
  readonly subject: Subject
}

/** How gadgets are named as resources, and known again by their locks. */
export interface GadgetNaming {
  /** Whether a gadget may have the id; one that may not does not exist. */
  isGadgetId(gadgetId: string): boolean
  /** The id of the resource. */
  idOf(subject: Subject): string
  /** What is kept with a new lock, so that `subjectOf` has the course. */
  metadataOf(subject: Subject): JsonObject
  /** What the ids of all gadgets of a course begin with; undefined where ids say nothing of courses. */
  idPrefixOf(courseId: string): string | undefined
  /**
   * The gadget of a lock on the type of gadgets. Without a course: it may be in any, since another API has locked it.
   * Undefined: no gadget of this API, though another one may have locked it.
   */
  subjectOf(lock: Named): (Omit<Subject, 'courseId'> & { readonly courseId: string | undefined }) | undefined
}

const inCourse: GadgetNaming = {
  isGadgetId: () => true,
  idOf: ({ courseId, gadgetId }) => `${courseId}/${gadgetId}`,
  metadataOf: () => ({}),
  idPrefixOf: courseId => `${courseId}/`,
  subjectOf({ resource: { id } }) {
    const slashAt = id.indexOf('/')
    const courseId = id.slice(0, slashAt)
    if (slashAt === -1 || !isCourseKey(courseId)) return undefined
    return { courseId, gadgetId: id.slice(slashAt + 1) }
  },
}

const INTEGER = /^(?:0|-?[1-9]\d*)$/
const GUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i

/**
 * Metadata and not `reference`, which is every client's own: one that looked like a course would hide the lock from
 * the list of the course that the gadget is in.
 */
const alone: GadgetNaming = {
  // a second spelling of a number or a GUID would be a second lock on what other APIs have one on
  isGadgetId(gadgetId) {
    if (INTEGER.test(gadgetId)) return true
    if (gadgetId !== gadgetId.trim() || !Number.isNaN(Number(gadgetId))) return false
    return !GUID.test(gadgetId) || gadgetId === gadgetId.toLowerCase()
  },
  idOf: ({ gadgetId }) => gadgetId,
  metadataOf: ({ courseId }) => ({ courseId }),
  idPrefixOf: () => undefined,
  subjectOf({ resource, metadata: { courseId } }) {
    const isKnown = typeof courseId === 'string' && isCourseKey(courseId)
    return { courseId: isKnown ? courseId : undefined, gadgetId: resource.id }
  },
}

export const GADGET_NAMINGS: Readonly<Record<GadgetIds, GadgetNaming>> = { course: inCourse, alone }
