import t from 'tap'
import { checkHistory } from '../../faults/check/check-history.ts'
import type { Operation, SeenLock } from '../../faults/history/operation.ts'

const KEY = 0
const OTHER_KEY = 1
const TTL_MS = 1000

const held: SeenLock = { key: KEY, lock: '1', token: 1, session: 'a', by: 1, existing: false }
const elsewhere: SeenLock = { key: OTHER_KEY, lock: '2', token: 2, session: 'b', by: 2, existing: false }

function operation(number: number, fromMs: number, toMs: number, rest: Partial<Operation>): Operation {
  return {
    number,
    client: number,
    user: 'somebody',
    service: '',
    kind: 'acquire',
    keys: [KEY],
    session: null,
    lock: null,
    ttlMs: TTL_MS,
    sentUs: fromMs * 1000,
    answeredUs: toMs * 1000,
    outcome: 'ok',
    code: '',
    seen: [held],
    ...rest,
  }
}

/** A lease that a touch prolongs while it ends, and an answer that does not know of the lock. */
function rulesBrokenBy(answer: Operation): readonly string[] {
  const operations = [
    operation(1, 0, 10, {}),
    operation(2, 0, 10, { keys: [OTHER_KEY], seen: [elsewhere], ttlMs: 20_000 }),
    operation(3, 900, 1100, { kind: 'touch', lock: '1' }),
    answer,
    operation(5, 1300, 1310, { kind: 'touch', lock: '1' }),
  ]
  const header = { seed: 1, round: 1, namespace: 'n', keys: ['k0', 'k1'], topology: 'pair' as const }
  return checkHistory({ header, operations, marks: [], log: undefined }).violations.map(({ rule }) => rule)
}

const REFUSED = { outcome: 'refused', ttlMs: null, seen: [] } as const
const LOOK = { ...REFUSED, kind: 'look', code: 'lock_not_found' } as const
const RELEASE = { ...LOOK, kind: 'release', lock: '1' } as const
const STRANGERS_RELEASE = { ...RELEASE, user: 'stranger' } as const
const SET = { ...REFUSED, keys: [KEY, OTHER_KEY], code: 'lock_conflict', seen: [elsewhere] } as const

t.test('a lease may look as if it had run out while its touch is under way', async t => {
  t.same(rulesBrokenBy(operation(4, 1020, 1060, LOOK)), [])
  t.same(rulesBrokenBy(operation(4, 1020, 1060, SET)), [])
  t.same(rulesBrokenBy(operation(4, 1020, 1060, STRANGERS_RELEASE)), [])
})

t.test('but not to its holder, whose release waits for the touch', async t => {
  t.match(rulesBrokenBy(operation(4, 1020, 1060, RELEASE)), ['grant lost'])
})

t.test(
  'a lease must not look as if it had run out before it can have, or after its touch was answered',
  async t => {
    for (const [fromMs, toMs] of [
      [500, 510],
      [1110, 1120],
    ] as const) {
      t.match(rulesBrokenBy(operation(4, fromMs, toMs, LOOK)), ['grant lost'])
      t.match(rulesBrokenBy(operation(4, fromMs, toMs, SET)), ['grant lost'])
      t.match(rulesBrokenBy(operation(4, fromMs, toMs, STRANGERS_RELEASE)), ['grant lost'])
    }
  },
)
