import t from 'tap'
import { DatabaseTrouble } from '../../src/locks/errors.ts'
import { Sweeper, type SweepOptions, sweepAll } from '../../src/locks/sweeper.ts'

/** Expired sessions of which only so many can be ended within the time-out. */
function slowStore(expired: number, atOnce: number) {
  const limits: number[] = []
  let left = expired
  return {
    limits,
    async sweep(limit: number) {
      limits.push(limit)
      const sessions = Math.min(limit, left)
      if (sessions > atOnce) throw new DatabaseTrouble('database_timeout', 'unchanged', 'too slow')
      left -= sessions
      return { sessions, tombstones: 0, next: left === 0 ? null : 'the next' }
    },
  }
}

/** How long a sweep rested, without resting. */
function restless(): SweepOptions & { readonly restsMs: number[] } {
  const restsMs: number[] = []
  return {
    restsMs,
    async rest(ms) {
      restsMs.push(ms)
    },
  }
}

t.test('a batch that takes too long is tried again as a smaller one, until all is swept', async t => {
  const store = slowStore(100, 40)
  t.same(await sweepAll(store, restless()), { sessions: 100, tombstones: 0 })
  t.same(store.limits.slice(0, 2), [100, 25])
})

t.test('where even one session takes too long the sweep fails', async t => {
  await t.rejects(sweepAll(slowStore(100, 0), restless()), { code: 'database_timeout' })
})

t.test('each step begins where the last one ended, and lets others work before it', async t => {
  const places: (string | null)[] = []
  const store = {
    async sweep(_limit: number, from: string | null) {
      places.push(from)
      return { sessions: 1, tombstones: 2, next: places.length === 3 ? null : `after ${places.length}` }
    },
  }
  const options = restless()
  t.same(await sweepAll(store, options), { sessions: 3, tombstones: 6 })
  t.same(places, [null, 'after 1', 'after 2'])
  t.equal(options.restsMs.length, 2)
})

t.test('a sweeper that is stopped while it rests does not go on', async t => {
  // the sweeper's own timer keeps no process alive
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  let steps = 0
  let begun = () => {}
  const firstStep = new Promise<void>(resolve => {
    begun = resolve
  })
  const store = {
    async sweep() {
      steps += 1
      begun()
      return { sessions: 1, tombstones: 0, next: 'for ever' }
    },
  }
  const sweeper = new Sweeper(store, 1, { swept() {}, failed: error => t.fail(String(error)) })
  sweeper.start()
  await firstStep
  await sweeper.stop()
  const stepsSoFar = steps
  await new Promise(resolve => setImmediate(resolve))
  t.equal(steps, stepsSoFar)
})
