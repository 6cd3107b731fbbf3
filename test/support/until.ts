import { setTimeout as pause } from 'node:timers/promises'

const LONGEST_WAIT_MS = 60_000
const POLL_MS = 10

/** Waits until a condition holds and gives its value; rejects with its description after a minute. */
export async function until<T>(
  description: string,
  condition: () => T | Promise<T>,
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = performance.now() + LONGEST_WAIT_MS
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== null && value !== false) {
      return value as Exclude<T, undefined | null | false>
    }
    if (performance.now() > deadline) throw new Error(`not within a minute: ${description}`)
    await pause(POLL_MS)
  }
}
