export interface AlmSettings {
  /** A site session that is silent for so long ends, and its locks with it. The vendor's default is an hour. */
  readonly sessionSeconds: number
  /** Of the times in answers, which name no zone: an IANA name. */
  readonly timeZone: string
  /** Of a refused lock: 403 as documented for ALM 12, or 500 as ALM 11 answered. */
  readonly lockFailureStatus: 403 | 500
  /** True: whoever changes something has to send the X-XSRF-TOKEN header. Newer servers want it. */
  readonly requiresXsrfToken: boolean
}
