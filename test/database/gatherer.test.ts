import t from 'tap'
import { Gatherer, type GathererOptions } from '../../src/database/gatherer.ts'
import { until } from '../support/until.ts'

/** A statement that the test answers when it likes. */
function sender() {
  const sent: { requests: readonly string[]; answer(): void; fail(error: unknown): void }[] = []
  const send = (requests: readonly string[]) =>
    new Promise<readonly string[]>((resolve, reject) => {
      sent.push({
        requests,
        answer: () => resolve(requests.map(request => `${request}!`)),
        fail: reject,
      })
    })
  return { sent, send, batches: () => sent.map(({ requests }) => requests.join(' ')) }
}

const OPTIONS: GathererOptions<string> = {
  maxBatch: 3,
  maxInFlight: 1,
  keysOf: request => [request[0] ?? ''],
  isDivisible: error => error === 'divisible',
}

/** Lets everything happen that is due now. */
const settled = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)))

t.test('a lone request is sent at once, and what comes meanwhile goes together', async t => {
  const { sent, send, batches } = sender()
  const gatherer = new Gatherer(send, OPTIONS)
  const first = gatherer.add('a')
  await settled()
  t.same(batches(), ['a'])
  const others = ['b', 'c', 'd', 'e'].map(request => gatherer.add(request))
  await settled()
  t.same(batches(), ['a'], 'one batch at a time')
  sent[0]?.answer()
  t.equal(await first, 'a!')
  await settled()
  t.same(batches(), ['a', 'b c d'], 'as many as fit')
  sent[1]?.answer()
  await settled()
  sent[2]?.answer()
  t.same(await Promise.all(others), ['b!', 'c!', 'd!', 'e!'])
  t.same(batches(), ['a', 'b c d', 'e'])
})

t.test('what comes together goes together, in as many batches as may be under way', async t => {
  const { sent, send, batches } = sender()
  const gatherer = new Gatherer(send, { ...OPTIONS, maxInFlight: 2 })
  const all = Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(request => gatherer.add(request)))
  await settled()
  t.same(batches(), ['a b c', 'd e f'])
  sent[1]?.answer()
  await settled()
  t.same(batches(), ['a b c', 'd e f', 'g'])
  sent[0]?.answer()
  sent[2]?.answer()
  t.same(await all, ['a!', 'b!', 'c!', 'd!', 'e!', 'f!', 'g!'])
})

t.test('while many are under way, the next batch waits until one has ended, or until it is full', async t => {
  const { sent, send, batches } = sender()
  const gatherer = new Gatherer(send, { ...OPTIONS, maxBatch: 9, maxInFlight: 2, lateAfterMs: 3_600_000 })
  const add = (requests: string) => Promise.all([...requests].map(request => gatherer.add(request)))
  void add('abcdefg')
  await settled()
  void add('h')
  await settled()
  t.same(batches(), ['a b c d e f g', 'h'], 'seven are few')
  sent[1]?.answer()
  await settled()
  void add('i')
  await settled()
  sent[0]?.answer()
  await settled()
  void add('jklmnop')
  await settled()
  t.same(batches().slice(2), ['i', 'j k l m n o p'])
  void add('q')
  await settled()
  sent[2]?.answer()
  await settled()
  t.same(batches().slice(4), ['q'], 'seven are few again')
  sent[3]?.answer()
  sent[4]?.answer()
  await settled()

  void add('abcdefgh')
  await settled()
  void add('ijklmnop')
  await settled()
  t.same(batches().slice(5), ['a b c d e f g h'], 'eight are many')
  void add('q')
  await settled()
  t.same(batches().slice(6), ['i j k l m n o p q'], 'a full batch waits for none')
  void add('r')
  await settled()
  sent[6]?.answer()
  await settled()
  t.equal(batches().length, 7, 'eight are under way still')
  sent[5]?.answer()
  await settled()
  t.same(batches().slice(7), ['r'])
  sent[7]?.answer()
})

t.test('the next batch does not wait for one that is late', async t => {
  const { sent, send, batches } = sender()
  const gatherer = new Gatherer(send, { ...OPTIONS, maxBatch: 20, maxInFlight: 2, lateAfterMs: 1 })
  const stuck = Promise.all([...'abcdefgh'].map(request => gatherer.add(request)))
  await settled()
  const others = Promise.all(['i', 'j'].map(request => gatherer.add(request)))
  await until('the next batch was sent', () => sent.length === 2)
  t.same(batches(), ['a b c d e f g h', 'i j'])
  sent[1]?.answer()
  t.same(await others, ['i!', 'j!'])
  sent[0]?.answer()
  await stuck
})

t.test('two requests with a key in common are not in one batch, unless they can share it', async t => {
  const apart = sender()
  const gatherer = new Gatherer(apart.send, OPTIONS)
  void gatherer.add('a1')
  void gatherer.add('a2')
  void gatherer.add('b1')
  await settled()
  t.same(apart.batches(), ['a1 b1'], 'and who comes later overtakes')
  apart.sent[0]?.answer()
  await settled()
  t.same(apart.batches(), ['a1 b1', 'a2'])

  const together = sender()
  const sharing = new Gatherer(together.send, {
    ...OPTIONS,
    canShare: (key, one) => key === 'a' && one !== 'a3',
  })
  for (const request of ['a1', 'a2', 'a3', 'b1', 'b2']) void sharing.add(request)
  await settled()
  t.same(together.batches(), ['a1 a2 b1'])
  together.sent[0]?.answer()
  await settled()
  t.same(together.batches(), ['a1 a2 b1', 'a3 b2'])
})

t.test('the weight of a batch is bounded, and what is too heavy for any goes alone', async t => {
  const { sent, send, batches } = sender()
  const gatherer = new Gatherer(send, { ...OPTIONS, weightOf: request => Number(request[1]), maxWeight: 5 })
  for (const request of ['a3', 'b3', 'c2', 'd9']) void gatherer.add(request)
  for (let batch = 0; batch < 3; batch += 1) {
    await settled()
    sent[batch]?.answer()
  }
  await settled()
  t.same(batches(), ['a3 c2', 'b3', 'd9'])
})

t.test('a batch that fails for one of its requests is sent again one by one', async t => {
  const { sent, send, batches } = sender()
  const gatherer = new Gatherer(send, OPTIONS)
  const answers = Promise.allSettled(['a', 'b', 'c'].map(request => gatherer.add(request)))
  await settled()
  sent[0]?.fail('divisible')
  await settled()
  const next = gatherer.add('d')
  await settled()
  t.same(batches(), ['a b c', 'a', 'd'], 'and the batches go on meanwhile')
  sent[1]?.answer()
  sent[2]?.answer()
  await settled()
  sent[3]?.fail('divisible')
  await settled()
  sent[4]?.answer()
  t.same(await answers, [
    { status: 'fulfilled', value: 'a!' },
    { status: 'rejected', reason: 'divisible' },
    { status: 'fulfilled', value: 'c!' },
  ])
  t.equal(await next, 'd!')
  const suspect = gatherer.add('b')
  const others = ['e', 'f'].map(request => gatherer.add(request))
  await settled()
  t.same(batches().slice(5), ['e f', 'b'], 'what failed alone stays alone for a while')
  for (const { answer } of sent.slice(5)) answer()
  t.same(await Promise.all([suspect, ...others]), ['b!', 'e!', 'f!'])
})

t.test('a failure that says nothing of the requests is that of all of them', async t => {
  const { sent, send } = sender()
  const gatherer = new Gatherer(send, OPTIONS)
  const answers = Promise.allSettled(['a', 'b'].map(request => gatherer.add(request)))
  await settled()
  sent[0]?.fail('lost')
  t.same(await answers, [
    { status: 'rejected', reason: 'lost' },
    { status: 'rejected', reason: 'lost' },
  ])
  t.equal(sent.length, 1, 'nothing is sent again: the outcome may be unknown')
  void gatherer.add('c')
  await settled()
  t.equal(sent.length, 2, 'and the next ones go on')
})

t.test('with batches of one, nothing waits for anything', async t => {
  const { send, batches } = sender()
  const gatherer = new Gatherer(send, { ...OPTIONS, maxBatch: 1 })
  for (const request of ['a', 'a', 'b', 'c']) void gatherer.add(request)
  t.same(batches(), ['a', 'a', 'b', 'c'])
})

t.test('an answer of undefined is an answer, also where a request is sent alone', async t => {
  const nothing = new Gatherer<string, undefined>(async requests => requests.map(() => undefined), {
    ...OPTIONS,
    maxBatch: 1,
  })
  t.equal(await nothing.add('a'), undefined)
})

t.test('a request that is not sent in time is told so, and is not sent any more', async t => {
  const { sent, send, batches } = sender()
  const gatherer = new Gatherer(send, { ...OPTIONS, maxWaitMs: 20 })
  const first = gatherer.add('a')
  await settled()
  await t.rejects(gatherer.add('b'), { code: 'database_timeout', outcome: 'unchanged' })
  sent[0]?.answer()
  t.equal(await first, 'a!', 'what was sent is waited for')
  await settled()
  t.same(batches(), ['a'])
})
