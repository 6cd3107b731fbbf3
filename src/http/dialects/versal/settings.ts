export interface VersalSettings {
  /** Where all courses are. */
  readonly namespace: string
  /** A lock that is not asked for again ends after so long. */
  readonly lockSeconds: number
}
