/**
 * What names a gadget. `course`: the course and the gadget's id together, so that gadgets of two courses may have one
 * id. `alone`: its id, as other APIs have it; gadgets of two courses that have one id are one resource then.
 */
export type GadgetIds = 'course' | 'alone'

export interface VersalSettings {
  /** Where all courses are. */
  readonly namespace: string
  /** The resource type of gadgets; never that of courses. */
  readonly gadgetType: string
  readonly gadgetIds: GadgetIds
  /** A lock that is not asked for again ends after so long. */
  readonly lockSeconds: number
}
