import type { Client, Recorder } from './load.ts'

/** How something is acquired and released. `number` is another one each time. */
export interface Exchange<Held> {
  acquire(number: number): Promise<Held>
  release(held: Held): Promise<unknown>
  close(): void
}

/** A client that acquires and releases again and again. Each of both is recorded, and the pair of them. */
export function pairs<Held>(recorder: Recorder, exchange: Exchange<Held>): Client {
  const pair = recorder.kind('pair')
  const acquire = recorder.kind('acquire')
  const release = recorder.kind('release')
  let number = 0
  return {
    async work() {
      number += 1
      const started = performance.now()
      const held = await exchange.acquire(number)
      acquire(started)
      const acquired = performance.now()
      await exchange.release(held)
      release(acquired)
      pair(started)
    },
    close: () => exchange.close(),
  }
}
