import t from 'tap'
import type { Effect, KeyEvent } from '../../faults/check/key-events.ts'
import { MARGIN_US, NEVER } from '../../faults/check/ledger.ts'
import { searchOrder } from '../../faults/check/linearizability.ts'

const STEPS = 10_000
const TTL_US = 1_000_000
let last = 0

function event(effect: Effect, sentUs: number, answeredUs: number, mayBeTakenBack = false): KeyEvent {
  last += 1
  return { effect, sentUs, answeredUs, ttlUs: TTL_US, operation: last, mayBeTakenBack }
}

function grant(lock: string, token: number, takesOver = false): Effect {
  return { kind: 'grant', lock, session: `session of ${lock}`, token, takesOver }
}

function verdict(certain: readonly KeyEvent[], possible: readonly KeyEvent[] = []): string {
  return searchOrder({ key: 0, certain, possible }, STEPS).kind
}

const FREE: Effect = { kind: 'free' }
const held = (lock: string): Effect => ({ kind: 'held', lock })
const end = (lock: string): Effect => ({ kind: 'end', lock })

t.test('what overlaps may have come in any order, what does not came in the order of time', async t => {
  t.equal(verdict([event(grant('a', 1), 0, 100), event(FREE, 10, 90)]), 'linearizable')
  t.equal(verdict([event(grant('a', 1), 0, 100), event(FREE, 110, 120)]), 'violated')
  t.equal(verdict([event(grant('a', 1), 0, 100), event(held('a'), 10, 20)]), 'linearizable')
  t.equal(verdict([event(held('a'), 0, 5), event(grant('a', 1), 10, 100)]), 'violated')
})

t.test('a second grant needs an end of the first', async t => {
  const [first, second] = [event(grant('a', 1), 0, 10), event(grant('b', 2), 100, 110)]
  t.equal(verdict([first, second]), 'violated')
  t.equal(verdict([first, event(end('a'), 20, 120), second]), 'linearizable')
  t.equal(verdict([first, event(grant('b', 2, true), 100, 110)]), 'linearizable', 'a takeover')
})

t.test('a lease runs out no sooner than a whole ttl after it was asked for', async t => {
  const first = event(grant('a', 1), 0, 10)
  const late = TTL_US - MARGIN_US
  t.equal(verdict([first, event(grant('b', 2), late - 20, late - 10)]), 'violated')
  t.equal(verdict([first, event(grant('b', 2), late - 20, late + 10)]), 'linearizable')
  const touched = event({ kind: 'prolong', lock: 'a' }, 500_000, 500_010)
  t.equal(verdict([first, touched, event(grant('b', 2), late - 20, late + 10)]), 'violated')
})

t.test('what is supposed to have run out stays so: nothing later in the order is from before', async t => {
  const safeUs = TTL_US - MARGIN_US
  const second = event(grant('b', 2), 100, safeUs + 1000)
  const early = event(held('b'), 200, 300)
  t.equal(verdict([event(grant('a', 1), 0, 10), second, early]), 'violated')
  t.equal(verdict([event(grant('a', 1), 0, 10), second, event(held('b'), 200, safeUs + 10)]), 'linearizable')
})

t.test('tokens only grow', async t => {
  t.equal(
    verdict([event(grant('a', 2), 0, 10), event(end('a'), 20, 30), event(grant('b', 1), 40, 50)]),
    'violated',
  )
})

t.test('an outcome that nobody knows is supposed only where it explains something', async t => {
  const first = event(grant('a', 1), 0, 10)
  const released = event(end('a'), 20, NEVER)
  const second = event(grant('b', 2), 40, 50)
  t.equal(verdict([first, second], [released]), 'linearizable')
  t.equal(verdict([first, event(held('a'), 40, 50)], [released]), 'linearizable')
  t.equal(verdict([first, second, event(held('a'), 60, 70)], [released]), 'violated')
  t.equal(verdict([first, second], [event(end('a'), 60, NEVER)]), 'violated', 'it was sent too late')
})

t.test('a grant that nobody was told of explains who is seen to hold', async t => {
  const unknown = event(grant('a', 1), 0, NEVER)
  t.equal(verdict([event(held('a'), 100, 110)], [unknown]), 'linearizable')
  t.equal(verdict([event(FREE, 100, 110)], [unknown]), 'linearizable')
  t.equal(verdict([event(held('a'), 100, 110), event(FREE, 120, 130)], [unknown]), 'violated')
})

t.test('a failover may take back what was seen, but not what was confirmed', async t => {
  const unknown = event(grant('a', 1), 0, NEVER)
  const seen = event(held('a'), 100, 110, true)
  t.equal(verdict([seen, event(FREE, 120, 130)], [unknown]), 'linearizable')
  const confirmed = event(grant('a', 1), 0, 50)
  t.equal(verdict([confirmed, seen, event(FREE, 120, 130)]), 'violated')
})

t.test('a session that ends takes the lock with it, one that is gone holds none', async t => {
  const first = event(grant('a', 1), 0, 10)
  const over: Effect = { kind: 'end of session', session: 'session of a' }
  const gone: Effect = { kind: 'session gone', session: 'session of a' }
  t.equal(verdict([first, event(over, 20, 30), event(FREE, 40, 50)]), 'linearizable')
  t.equal(verdict([first, event(gone, 40, 50)]), 'violated')
  t.equal(verdict([first, event(over, 20, 60), event(gone, 40, 50)]), 'linearizable')
})

t.test('a search that takes too long says so', async t => {
  const certain = Array.from({ length: 40 }, (_, index) =>
    event({ kind: 'prolong session', session: 'x' }, index, 1000),
  )
  t.equal(
    searchOrder({ key: 0, certain: [...certain, event(held('a'), 2000, 2010)], possible: [] }, 500).kind,
    'undecided',
  )
})
