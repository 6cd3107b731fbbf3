import { randomUUID } from 'node:crypto'
import t from 'tap'
import {
  acquire,
  expire,
  faults,
  grantedOne,
  named,
  openStores,
  request,
  type Stores,
} from '../support/database.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

/** Acquires that give something up for what they get. */

const SOLE = { isSole: true, reentry: 'user', session: { kind: 'implicit', ttlSeconds: 30 } } as const

async function held(stores: Stores): Promise<string[]> {
  const rows = await stores.sql<{ held: string }>(
    `select resource_id || ' ' || holder as held from held_locks order by 1`,
  )
  return rows.map(row => row.held)
}

t.test('re-entry by client takes the same user on another client for somebody else', async t => {
  const stores = await openStores(t)
  const options = {
    reentry: 'client',
    client: '15',
    session: { kind: 'implicit', ttlSeconds: null },
  } as const
  const lock = await grantedOne(stores, 'a', options)
  t.equal(lock.expiresAt, null)
  t.match(await acquire(stores, 'a', options), {
    kind: 'granted',
    grants: [{ existing: true, lock: { id: lock.id } }],
  })
  t.match(await acquire(stores, ['a', 'b'], options), {
    kind: 'granted',
    grants: [{ existing: true }, { existing: false }],
  })
  for (const other of [{ client: '16' }, { client: null }, { holder: 'bob' }]) {
    t.match(await acquire(stores, 'a', { ...options, ...other }), {
      kind: 'conflict',
      conflicts: [{ holder: 'alice', client: '15' }],
    })
  }
  t.match(await acquire(stores, 'a', { ...options, client: '16', reentry: 'user' }), {
    kind: 'granted',
    grants: [{ existing: true, lock: { id: lock.id } }],
  })
  t.same(await faults(stores), [])
})

t.test(
  'what the same user holds elsewhere becomes a new grant, and what others hold is in the way',
  async t => {
    const stores = await openStores(t)
    const first = await grantedOne(stores, 'a', { session: named() })
    const id = randomUUID()
    const second = await grantedOne(stores, 'a', { session: named(id, 900), replacesOwn: true })
    t.not(second.id, first.id)
    t.equal(second.sessionId, id)
    t.ok(second.fencingToken > first.fencingToken)
    t.equal(
      await stores.sessions.get(first.sessionId, 'alice'),
      undefined,
      'the old session ended with its lock',
    )
    t.match(await acquire(stores, 'a', { holder: 'bob', session: named(), replacesOwn: true }), {
      kind: 'conflict',
      conflicts: [{ id: second.id, holder: 'alice', sessionId: id, expiresInSeconds: Number }],
    })
    t.match(await acquire(stores, ['b', 'a'], { holder: 'bob', session: named(), replacesOwn: true }), {
      kind: 'conflict',
      conflicts: [{ id: second.id }],
    })
    t.same(await held(stores), ['a alice'])
    await expire(stores)
    const third = await grantedOne(stores, 'a', { holder: 'bob', session: named(), replacesOwn: true })
    t.ok(third.fencingToken > second.fencingToken)
    t.same(await faults(stores), [])
  },
)

t.test('a sole lock gives up the earlier one of its holder and type, if it is granted', async t => {
  const stores = await openStores(t)
  const first = await grantedOne(stores, 'a', SOLE)
  await grantedOne(stores, 'b', { ...SOLE, holder: 'bob' })
  t.match(await acquire(stores, 'b', SOLE), { kind: 'conflict', conflicts: [{ holder: 'bob' }] })
  t.same(await held(stores), ['a alice', 'b bob'], 'refused, so nothing was given up')
  const again = await acquire(stores, 'a', SOLE)
  t.match(again, { kind: 'granted', grants: [{ existing: true, lock: { id: first.id } }] })
  const next = await grantedOne(stores, 'c', SOLE)
  t.ok(next.fencingToken > first.fencingToken)
  t.same(await held(stores), ['b bob', 'c alice'])
  t.equal(await stores.sessions.get(first.sessionId, null), undefined)
  await expire(stores)
  await grantedOne(stores, 'b', SOLE)
  t.same(await held(stores), ['b alice'])
  t.same(await faults(stores), [])
})

t.test('a sole lock leaves other types, other namespaces and locks that are not sole alone', async t => {
  const stores = await openStores(t)
  await grantedOne(stores, 'plain')
  await grantedOne(stores, 'a', SOLE)
  const elsewhere = [
    { namespace: 'tests', type: 'other', id: 'b' },
    { namespace: 'others', type: 'thing', id: 'c' },
  ]
  for (const resource of elsewhere) {
    await stores.locks.acquire([{ ...request('x', SOLE), resources: [resource] }])
  }
  t.same(await held(stores), ['a alice', 'b alice', 'c alice', 'plain alice'])
  t.match(await acquire(stores, 'plain', SOLE), { kind: 'granted', grants: [{ existing: true }] })
  t.same(await held(stores), ['a alice', 'b alice', 'c alice', 'plain alice'])
})

t.test('a closed namespace refuses a sole lock on what it does not have', async t => {
  const stores = await openStores(t)
  await grantedOne(stores, 'a', SOLE)
  await stores.sql("insert into namespaces (name, is_closed) values ('tests', true)")
  t.match(await acquire(stores, 'b', SOLE), { kind: 'resource_not_found', resources: [{ id: 'b' }] })
  t.match(await acquire(stores, 'a', SOLE), { kind: 'granted', grants: [{ existing: true }] })
  t.same(await held(stores), ['a alice'])
})

t.test('two sole acquires of one holder that do not see each other leave one lock', async t => {
  const stores = await openStores(t)
  const old = await grantedOne(stores, 'old', SOLE)
  const dba = await connectedTo(t, stores.url)
  await dba.query('begin')
  await dba.query('select from leasehold.sessions where id = $1 for update', [old.sessionId])
  const both = Promise.all([acquire(stores, 'a', SOLE), acquire(stores, 'b', SOLE)])
  await untilWaiting(stores, 2)
  await dba.query('commit')
  t.same(
    (await both).map(({ kind }) => kind),
    ['granted', 'granted'],
    'one after the other',
  )
  t.equal((await held(stores)).length, 1)
  t.ok(stores.retries.length > 0, 'the second one looked again')
  t.same(await faults(stores), [])
})

t.test('a hundred sole acquires of three users at once: one lock each at any time, none lost', async t => {
  const stores = await openStores(t)
  const users = ['alice', 'bob', 'carol']
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      acquire(stores, `r${index % 7}`, { ...SOLE, holder: users[index % 3] ?? '' }),
    ),
  )
  t.same(
    outcomes.filter(({ kind }) => !['granted', 'conflict', 'contended'].includes(kind)),
    [],
  )
  const rows = await stores.sql<{ holder: string; locks: number }>(
    'select holder, count(*)::int as locks from held_locks group by holder',
  )
  t.ok(rows.length > 0)
  t.ok(
    rows.every(({ locks }) => locks === 1),
    JSON.stringify(rows),
  )
  t.same(await faults(stores), [])
})
