export interface PolarisSettings {
  /** Where all objects are. */
  readonly namespace: string
  /** True: the first call of a new token ends the earlier locks of its user and workstation. */
  readonly clearsLocksAtSignIn: boolean
  /** A lock older than this is cleared away by an hourly job. 0: none ever is. */
  readonly maxLockAgeHours: number
}
