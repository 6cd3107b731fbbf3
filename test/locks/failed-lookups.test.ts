import t from 'tap'
import { FailedLookups } from '../../src/locks/failed-lookups.ts'

const RATE = { perSecond: 1, burst: 3 }
const still = () => 0

/** A look-up that counts how often it was done. */
function lookUps() {
  const done = { count: 0 }
  const answering = (answer: string | undefined) => async () => {
    done.count += 1
    return [answer]
  }
  return { done, nobody: answering(undefined), somebody: answering('alice') }
}

t.test('look-ups that fail are refused before they are done, once an origin has had too many', async t => {
  const failed = new FailedLookups(RATE, still)
  const { done, nobody } = lookUps()
  for (const name of ['a', 'b', 'c']) t.same(await failed.guard('here', [name], nobody), [undefined])
  await t.rejects(failed.guard('here', ['d'], nobody), { code: 'rate_limited', retryAfterSeconds: 1 })
  t.equal(done.count, 3)
  t.same(await failed.guard('there', ['d'], nobody), [undefined], 'another origin is not meant')
})

t.test('of many at once no more are done than may fail', async t => {
  const failed = new FailedLookups(RATE, still)
  const { done, nobody } = lookUps()
  const names = Array.from({ length: 50 }, (_, index) => String(index))
  await Promise.allSettled(names.map(name => failed.guard('here', [name], nobody)))
  t.equal(done.count, RATE.burst)
})

t.test('look-ups that find somebody are not counted', async t => {
  const failed = new FailedLookups(RATE, still)
  const { done, somebody } = lookUps()
  for (let index = 0; index < 20; index += 1) await failed.guard('here', [String(index)], somebody)
  t.equal(done.count, 20)
})

t.test('one that found somebody is done in any flood', async t => {
  const failed = new FailedLookups(RATE, still)
  const { nobody, somebody } = lookUps()
  await failed.guard('here', ['good'], somebody)
  for (const name of ['a', 'b', 'c']) await failed.guard('here', [name], nobody)
  await t.rejects(failed.guard('here', ['new'], somebody), { code: 'rate_limited' })
  t.same(await failed.guard('here', ['good'], somebody), ['alice'])
  t.same(await failed.guard('here', ['unknown', 'good'], somebody), ['alice'], 'one of several is enough')
})

t.test('trouble of the database is nobody’s failure', async t => {
  const failed = new FailedLookups(RATE, still)
  const broken = () => Promise.reject(new Error('the database is away'))
  for (let index = 0; index < 10; index += 1) await t.rejects(failed.guard('here', ['a'], broken), /away/)
})
