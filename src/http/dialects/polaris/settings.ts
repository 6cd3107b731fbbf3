import type { ObjectTypes } from './object-types.ts'

export interface PolarisSettings {
  /** Where all objects are. */
  readonly namespace: string
  /** Resource types of object types. What is not among them is the number itself. */
  readonly types: ObjectTypes
  /** True: the first call of a new token ends the earlier locks of its user and workstation. */
  readonly clearsLocksAtSignIn: boolean
  /**
   * How long a lock lasts that its user and workstation do not ask for again, judged by the database's clock. No job
   * clears it away: it is free at once. 0: it lasts until it is released.
   */
  readonly maxLockAgeHours: number
}
