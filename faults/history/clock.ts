/** Microseconds on the machine's monotonic clock, from when this process began. The clock of every record. */
export function nowUs(): number {
  return Math.round(performance.now() * 1000)
}
