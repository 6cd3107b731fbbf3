export interface PolarisSettings {
  /** Where all objects are. */
  readonly namespace: string
  /** True: the first call of a new token ends the earlier locks of its user and workstation. */
  readonly clearsLocksAtSignIn: boolean
  /**
   * How long a lock lasts that its user and workstation do not ask for again, judged by the database's clock. No job
   * clears it away: it is free at once. 0: it lasts until it is released.
   */
  readonly maxLockAgeHours: number
}
