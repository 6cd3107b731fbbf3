import t from 'tap'
import { DatabaseTrouble } from '../../src/locks/errors.ts'
import { sweepAll } from '../../src/locks/sweeper.ts'

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
      return { sessions, tombstones: 0 }
    },
  }
}

t.test('a batch that takes too long is tried again as a smaller one, until all is swept', async t => {
  const store = slowStore(100, 40)
  t.same(await sweepAll(store), { sessions: 100, tombstones: 0 })
  t.same(store.limits, [500, 125, 32, 32, 32, 32])
})

t.test('where even one session takes too long the sweep fails', async t => {
  await t.rejects(sweepAll(slowStore(100, 0)), { code: 'database_timeout' })
})
