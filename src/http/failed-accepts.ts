/** Told of connections that the system did not let the server take: the last error, and how many since it was told. */
export type FailedAccepts = (error: Error, count: number) => void

/** At least between two tellings, in ms: there can be thousands of failures a second. */
const INTERVAL_MS = 10_000

/** Tells of failures now and then. */
export function toldNowAndThen(tell: FailedAccepts): (error: Error) => void {
  let count = 0
  let toldAt = Number.NEGATIVE_INFINITY
  return error => {
    count += 1
    const now = performance.now()
    if (now - toldAt < INTERVAL_MS) return
    toldAt = now
    tell(error, count)
    count = 0
  }
}
