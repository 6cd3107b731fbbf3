import t from 'tap'
import { nextBatch, pauseMs } from '../../src/locks/sweep-pace.ts'

t.test('a batch that takes long makes the next one smaller, a quick one larger', async t => {
  t.equal(nextBatch(400, 400, 50), 200)
  t.equal(nextBatch(100, 100, 5), 200)
  t.equal(nextBatch(400, 400, 20), 400)
})

t.test('a step that found little tells nothing of how long a batch takes', async t => {
  t.equal(nextBatch(100, 3, 1), 100)
  t.equal(nextBatch(100, 3, 1000), 100)
})

t.test('there is a largest batch, and one that no slowness makes smaller', async t => {
  let batch = 100
  for (let step = 0; step < 10; step += 1) batch = nextBatch(batch, batch, 1)
  t.equal(batch, 500)
  for (let step = 0; step < 20; step += 1) batch = nextBatch(batch, batch, 1000)
  t.equal(batch, 100)
  t.equal(nextBatch(7, 7, 1000), 7, 'one that a time-out made smaller stays so')
})

t.test('a sweep rests three times as long as it works, give or take a quarter, and not for ever', async t => {
  for (let time = 0; time < 100; time += 1) {
    const ms = pauseMs(10)
    t.ok(ms >= 22.5 && ms <= 37.5)
    t.ok(pauseMs(60_000) <= 187.5)
  }
})
