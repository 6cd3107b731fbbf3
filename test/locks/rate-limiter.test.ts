import fc from 'fast-check'
import t from 'tap'
import { RateLimiter } from '../../src/locks/rate-limiter.ts'

/** A clock that the test moves, in milliseconds. */
function clock() {
  const time = { ms: 1_000_000.123 }
  return { time, now: () => time.ms }
}

t.test('a burst is taken at once, the next one waits, and what passes comes back at the rate', async t => {
  const { time, now } = clock()
  const limiter = new RateLimiter({ perSecond: 10, burst: 3 }, now)
  t.same(
    [1, 2, 3].map(() => limiter.take('a')),
    [0, 0, 0],
  )
  const waitMs = limiter.take('a')
  t.ok(Math.abs(waitMs - 100) < 0.001, `${waitMs} ms`)
  time.ms += 99
  t.ok(limiter.take('a') > 0)
  time.ms += 1.001
  t.equal(limiter.take('a'), 0)
  t.ok(limiter.take('a') > 0)
})

t.test('names do not take from each other', async t => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, clock().now)
  t.equal(limiter.take('a'), 0)
  t.ok(limiter.take('a') > 0)
  t.equal(limiter.take('b'), 0)
})

t.test('what is given back can be taken again, and a full bucket does not overflow', async t => {
  const { time, now } = clock()
  const limiter = new RateLimiter({ perSecond: 1, burst: 2 }, now)
  limiter.take('a')
  limiter.take('a')
  limiter.giveBack('a')
  t.equal(limiter.take('a'), 0)
  t.ok(limiter.take('a') > 0)
  time.ms += 3_600_000
  t.same(
    [1, 2, 3].map(() => limiter.take('a') === 0),
    [true, true, false],
  )
})

t.test('in no window is more let through than the burst and the rate allow', async t => {
  const steps = fc.array(fc.nat({ max: 500 }), { minLength: 1, maxLength: 200 })
  const rates = fc.record({
    perSecond: fc.integer({ min: 1, max: 50 }),
    burst: fc.integer({ min: 1, max: 20 }),
  })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(rates, steps, (rate, pauses) => {
        const { time, now } = clock()
        const limiter = new RateLimiter(rate, now)
        const taken: number[] = []
        for (const pauseMs of pauses) {
          time.ms += pauseMs
          if (limiter.take('a') === 0) taken.push(time.ms)
        }
        return taken.every((from, first) =>
          taken
            .slice(first)
            .every(
              (until, count) => count + 1 <= rate.burst + ((until - from) * rate.perSecond) / 1000 + 0.001,
            ),
        )
      }),
    ),
  )
})

t.test('a hundred thousand names do not take the memory of a hundred thousand', async t => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, clock().now)
  for (let index = 0; index < 100_000; index += 1) limiter.take(String(index))
  t.equal(limiter.take('0'), 0, 'the oldest was forgotten')
  t.ok(limiter.take('99999') > 0, 'the newest was not')
})
