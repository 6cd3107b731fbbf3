import t from 'tap'
import { Histogram } from '../../bench/histogram.ts'

t.test('a quantile is within 1 % of the true one, from microseconds to minutes', async t => {
  const histogram = new Histogram()
  const durations = Array.from({ length: 20_000 }, (_, index) => 0.001 * 1.0009 ** index)
  for (const ms of durations) histogram.record(ms)
  for (const q of [0.001, 0.25, 0.5, 0.9, 0.99, 0.999]) {
    const exact = durations[Math.ceil(q * durations.length) - 1] ?? Number.NaN
    const error = Math.abs(histogram.quantileMs(q) - exact) / exact
    t.ok(error <= 0.0101, `p${q * 100}: ${error}`)
  }
})

t.test('count, mean and maximum are exact', async t => {
  const histogram = new Histogram()
  for (const ms of [1, 2, 6]) histogram.record(ms)
  t.equal(histogram.count, 3)
  t.equal(histogram.meanMs, 3)
  t.equal(histogram.maxMs, 6)
})

t.test('durations out of range count at its ends', async t => {
  const histogram = new Histogram()
  histogram.record(0)
  histogram.record(1e12)
  t.equal(histogram.count, 2)
  t.ok(histogram.quantileMs(0.5) <= 0.001)
  t.ok(histogram.quantileMs(1) > 1e6)
})

t.test('nothing recorded has no quantiles', async t => {
  const histogram = new Histogram()
  histogram.record(1)
  histogram.clear()
  t.equal(histogram.count, 0)
  t.ok(Number.isNaN(histogram.quantileMs(0.99)))
})

t.test('two add up to one of all durations', async t => {
  const [one, other, all] = [new Histogram(), new Histogram(), new Histogram()]
  for (let ms = 1; ms <= 100; ms += 1) {
    for (const histogram of [ms % 3 === 0 ? one : other, all]) histogram.record(ms)
  }
  one.add(other)
  for (const q of [0.01, 0.5, 0.99]) t.equal(one.quantileMs(q), all.quantileMs(q))
  t.equal(one.count, 100)
  t.equal(one.maxMs, 100)
})
