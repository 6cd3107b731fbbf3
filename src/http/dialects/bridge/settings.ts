export interface BridgeSettings {
  /** Where all course templates and tasks are. */
  readonly namespace: string
  /** The resource types of the two; they differ, since both have ids from 1 on. */
  readonly courseTemplateType: string
  readonly taskType: string
  /** A lock that is not renewed ends after so long. */
  readonly lockSeconds: number
  /** True: a holder who asks again is refused. False: gets a new id, and the old one is void. */
  readonly refusesHolder: boolean
}
