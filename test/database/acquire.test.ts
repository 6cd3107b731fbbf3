import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { AcquireOutcome } from '../../src/locks/acquire.ts'
import {
  acquire,
  expire,
  faults,
  granted,
  grantedOne,
  named,
  openStores,
  request,
  type Stores,
} from '../support/database.ts'

function holders(outcome: AcquireOutcome): readonly string[] {
  return outcome.kind === 'conflict' ? outcome.conflicts.map(lock => lock.holder) : [outcome.kind]
}

/** Rows that an acquire could have left behind. */
async function rows(stores: Stores) {
  const [counts] = await stores.sql(
    'select (select count(*) from locks)::int as locks, (select count(*) from sessions)::int as sessions',
  )
  return counts
}

t.test('a lone acquire of a free resource is granted with everything that was asked for', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', {
    client: 'ws-15',
    reference: 'order-7',
    metadata: { why: 'import', steps: [1, { deep: null }] },
    session: { kind: 'implicit', ttlSeconds: 12.5 },
  })
  t.match(lock, {
    resource: { namespace: 'tests', type: 'thing', id: 'a' },
    holder: 'alice',
    client: 'ws-15',
    reference: 'order-7',
    metadata: { why: 'import', steps: [1, { deep: null }] },
    expiresInSeconds: 12.5,
  })
  t.equal(Number(lock.expiresAt) - Number(lock.lockTime), 12_500)
  t.same(lock.sessionLastTouch, lock.lockTime)
  t.match(await stores.locks.get('tests', lock.id), { ...lock, expiresInSeconds: Number })
  t.match(await stores.locks.find(lock.resource), { id: lock.id })
  t.match(await stores.sql('select holder, client, time_left::text from held_locks'), [
    { holder: 'alice', client: 'ws-15', time_left: /^00:00:1/ },
  ])
})

t.test('the largest metadata fits, also where the database writes its numbers longer', async t => {
  const stores = await openStores(t)
  const metadata = { tiny: Array.from({ length: 580 }, () => 5e-324) }
  t.same((await grantedOne(stores, 'a', { metadata })).metadata, metadata)
})

t.test('a held resource is refused, the holder is told, and nothing is left behind', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const before = await rows(stores)
  const outcome = await acquire(stores, 'a', { holder: 'bob' })
  t.match(outcome, { kind: 'conflict', conflicts: [{ id: lock.id, holder: 'alice' }] })
  t.same(holders(await acquire(stores, 'a', { holder: 'bob', session: named() })), ['alice'])
  t.same(holders(await acquire(stores, ['a', 'b'], { holder: 'bob', session: named(randomUUID(), null) })), [
    'alice',
  ])
  t.same(await rows(stores), before, 'refused acquires made no session')
})

t.test('resources that differ in a byte are different resources', async t => {
  const stores = await openStores(t)
  for (const id of ['a', 'A', 'a ', '\u00e9', 'e\u0301', 'aa', '%', '_', '\u{10FFFF}']) {
    t.equal((await acquire(stores, id)).kind, 'granted', JSON.stringify(id))
  }
})

t.test('a set is taken whole or not at all, and a refusal lists every conflict', async t => {
  const stores = await openStores(t)
  await granted(stores, ['b'], { holder: 'bob' })
  await granted(stores, ['d'], { holder: 'carol' })
  t.same(holders(await acquire(stores, ['a', 'b', 'c', 'd'])), ['bob', 'carol'])
  t.equal(await stores.locks.count(), 2)
  const locks = await granted(stores, ['a', 'c', 'e'])
  t.same(
    locks.map(lock => lock.resource.id),
    ['a', 'c', 'e'],
    'in the order asked for',
  )
  t.equal(new Set(locks.map(lock => lock.sessionId)).size, 1)
})

t.test('a thousand resources are one set', async t => {
  const stores = await openStores(t)
  const ids = Array.from({ length: 1000 }, (_, index) => `r${index}`)
  t.equal((await granted(stores, ids)).length, 1000)
  t.equal(holders(await acquire(stores, ids, { holder: 'bob' })).length, 1000)
})

t.test('the same acquire again gives the same lock, and is a write', async t => {
  const stores = await openStores(t)
  const session = named(randomUUID(), 30)
  const first = await grantedOne(stores, 'a', { session })
  const [before] = await stores.sql('select pg_current_wal_insert_lsn() as lsn')
  const again = await acquire(stores, 'a', { session })
  const [wrote] = await stores.sql<{ bytes: string }>(
    'select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1) as bytes',
    [before?.lsn],
  )
  t.match(again, {
    kind: 'granted',
    grants: [{ existing: true, lock: { id: first.id, fencingToken: first.fencingToken } }],
  })
  t.ok(
    again.kind === 'granted' &&
      Number(again.grants[0]?.lock.sessionLastTouch) > Number(first.sessionLastTouch),
  )
  t.ok(Number(wrote?.bytes) > 0, 'the answer waits for a commit: a standby that lacks the lock is told of it')
})

t.test('a session can take more, and what it has already is marked', async t => {
  const stores = await openStores(t)
  const session = named()
  await granted(stores, 'a', { session })
  const outcome = await acquire(stores, ['b', 'a'], { session: { kind: 'existing', id: session.id } })
  t.match(outcome, { grants: [{ existing: false }, { existing: true }] })
  t.equal(
    (await acquire(stores, 'a', { holder: 'alice' })).kind,
    'conflict',
    'another session of the same user',
  )
})

t.test('a late duplicate of an acquire meets the tombstone and is granted to nobody', async t => {
  const stores = await openStores(t)
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  t.same(await acquire(stores, 'a', { session }), { kind: 'session_expired' })
  t.same(await acquire(stores, 'a', { session, holder: 'bob' }), { kind: 'session_forbidden' })
  t.equal(await stores.locks.find(lock.resource), undefined)
})

t.test('a session that the service named leaves a tombstone once a client names it too', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const session = named(lock.sessionId)
  t.match(await acquire(stores, 'a', { session }), { grants: [{ existing: true, lock: { id: lock.id } }] })
  await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  t.same(await acquire(stores, 'a', { session }), { kind: 'session_expired' }, 'a late duplicate')
})

t.test("an acquire under a session that is not there, or is another user's, is refused", async t => {
  const stores = await openStores(t)
  const id = randomUUID()
  t.same(await acquire(stores, 'a', { session: { kind: 'existing', id } }), { kind: 'session_not_found' })
  await granted(stores, 'a', { session: named(id) })
  t.same(await acquire(stores, 'b', { holder: 'bob', session: { kind: 'existing', id } }), {
    kind: 'session_forbidden',
  })
  await expire(stores, id)
  t.same(await acquire(stores, 'b', { session: { kind: 'existing', id } }), { kind: 'session_expired' })
  t.same(await acquire(stores, 'b', { session: named(id) }), { kind: 'session_expired' })
})

t.test('an expired lock is invisible and free at once, swept or not', async t => {
  const stores = await openStores(t)
  const old = await granted(stores, ['a', 'b'])
  await expire(stores)
  t.equal(await stores.locks.find({ namespace: 'tests', type: 'thing', id: 'a' }), undefined)
  t.equal(await stores.locks.get('tests', old[0]?.id ?? ''), undefined)
  t.same(await stores.locks.list({ namespace: 'tests', limit: 10 }), [])
  t.same(await stores.sql('select * from held_locks'), [])
  t.equal((await stores.sql('select * from stale_sessions')).length, 1)
  const [next] = await granted(stores, 'a', { holder: 'bob' })
  t.ok((next?.fencingToken ?? 0) > (old[0]?.fencingToken ?? 0))
  t.same(stores.retries, ['expired_holder'])
  t.same(
    await stores.sql('select resource_id from locks'),
    [{ resource_id: 'a' }],
    'the old session ended whole',
  )
})

t.test('a set over several expired holders and free resources is granted', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a')
  await granted(stores, ['b', 'c'], { session: named() })
  await expire(stores)
  t.equal((await granted(stores, ['a', 'b', 'd'], { holder: 'bob' })).length, 3)
  t.same(await faults(stores), [])
})

t.test('a lock without end is held until it is released', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: named(randomUUID(), null) })
  t.match(lock, { expiresAt: null, expiresInSeconds: null })
  await expire(stores)
  t.match(await stores.locks.find(lock.resource), { id: lock.id, expiresAt: null })
  t.match(await stores.sql('select time_left from held_locks'), [{ time_left: null }])
})

t.test(
  're-entry by user answers the lock of another session of the user, and touches that session',
  async t => {
    const stores = await openStores(t)
    const first = await grantedOne(stores, 'a', { session: named() })
    const outcome = await acquire(stores, ['a', 'b'], { reentry: 'user' })
    t.match(outcome, {
      grants: [
        { existing: true, lock: { id: first.id, sessionId: first.sessionId } },
        { existing: false, lock: { resource: { id: 'b' } } },
      ],
    })
    t.ok(
      outcome.kind === 'granted' && Number(outcome.grants[0]?.lock.sessionLastTouch) > Number(first.lockTime),
    )
    t.equal((await acquire(stores, 'a', { holder: 'bob', reentry: 'user' })).kind, 'conflict')
    const alone = await acquire(stores, 'a', { reentry: 'user' })
    t.match(alone, { grants: [{ existing: true, lock: { id: first.id } }] })
    t.same(await faults(stores), [], 'no session was made for a lock that another has')
    await expire(stores)
    t.match(await acquire(stores, 'a', { reentry: 'user' }), { grants: [{ existing: false }] })
  },
)

for (const reentry of ['user', 'client'] as const) {
  t.test(
    `a request that re-enters by ${reentry}, sent many times at once, is never told of itself`,
    async t => {
      const stores = await openStores(t)
      const sent = Array.from({ length: 20 }, () => acquire(stores, ['a', 'b'], { client: 'ws-15', reentry }))
      const outcomes = await Promise.all(sent)
      const grants = outcomes.flatMap(outcome => (outcome.kind === 'granted' ? outcome.grants : []))
      t.same(
        outcomes.map(({ kind }) => kind),
        sent.map(() => 'granted'),
      )
      t.equal(grants.filter(({ existing }) => !existing).length, 2)
      t.equal(new Set(grants.map(({ lock }) => lock.id)).size, 2)
      t.same(await faults(stores), [])
    },
  )
}

t.test('a takeover changes hands in one step, with a new id and a greater token', async t => {
  const stores = await openStores(t)
  const [mine] = await granted(stores, ['a', 'b'], {
    holder: 'root',
    session: named('00000000-0000-4000-8000-000000000001'),
  })
  const [old, kept] = await granted(stores, ['c', 'd'])
  const outcome = await acquire(stores, ['a', 'c', 'e'], {
    holder: 'root',
    session: { kind: 'existing', id: '00000000-0000-4000-8000-000000000001' },
    takeover: { reason: 'stuck' },
  })
  t.match(outcome, {
    kind: 'granted',
    takenFrom: ['alice'],
    grants: [{ existing: true, lock: { id: mine?.id } }, { existing: false }, { existing: false }],
  })
  const taken = outcome.kind === 'granted' ? outcome.grants[1]?.lock : undefined
  t.ok((taken?.fencingToken ?? 0) > (old?.fencingToken ?? 0))
  t.not(taken?.id, old?.id)
  t.equal(await stores.locks.touch({ namespace: 'tests', lockId: old?.id ?? '', holder: 'alice' }), undefined)
  t.equal(
    await stores.locks.release({ namespace: 'tests', lockId: old?.id ?? '', holder: 'alice' }),
    undefined,
  )
  t.match(
    await stores.locks.find({ namespace: 'tests', type: 'thing', id: 'd' }),
    { id: kept?.id },
    'the rest stays',
  )
  t.same(await faults(stores), [])
})

t.test('a takeover of the last lock of a session ends the session', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: named() })
  const taken = await grantedOne(stores, 'a', { holder: 'root', takeover: { reason: 'stuck' } })
  t.same(await stores.sessions.touch(lock.sessionId, 'alice'), { kind: 'session_expired' })
  t.equal((await stores.locks.find(lock.resource))?.id, taken.id)
  t.same(
    await acquire(stores, 'b', {
      holder: 'root',
      takeover: { reason: 'x' },
      session: { kind: 'existing', id: randomUUID() },
    }),
    { kind: 'session_not_found' },
  )
  t.same(
    await acquire(stores, 'b', {
      holder: 'root',
      takeover: { reason: 'x' },
      session: { kind: 'existing', id: lock.sessionId },
    }),
    { kind: 'session_forbidden' },
  )
  t.same(await faults(stores), [])
})

t.test('a takeover also takes what is free, and what is expired', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a')
  await expire(stores)
  t.equal((await granted(stores, ['a', 'b'], { holder: 'root', takeover: { reason: 'x' } })).length, 2)
  t.same(await faults(stores), [])
})

t.test('many requests in one call each get their own outcome, in their places', async t => {
  const stores = await openStores(t)
  await granted(stores, 'held', { holder: 'bob' })
  const session = named()
  const outcomes = await stores.locks.acquire([
    request('a'),
    request(['b', 'held']),
    request(['c', 'd'], { session }),
    request('e', { session: { kind: 'existing', id: randomUUID() } }),
    request('a2', { session: { kind: 'existing', id: randomUUID() } }),
    request('f', { session }),
    request('held', { holder: 'root', takeover: { reason: 'x' } }),
    request('b'),
  ])
  t.same(
    outcomes.map(outcome => outcome.kind),
    [
      'granted',
      'conflict',
      'granted',
      'session_not_found',
      'session_not_found',
      'granted',
      'granted',
      'granted',
    ],
  )
  t.same(await faults(stores), [])
})

t.test('a batch of 64 lone requests is one statement', async t => {
  const stores = await openStores(t)
  const requests = Array.from({ length: 64 }, (_, index) =>
    request(`r${index}`, { holder: `user${index}`, reference: `ref${index}`, metadata: { index } }),
  )
  const outcomes = await stores.locks.acquire(requests)
  t.same(new Set(outcomes.map(outcome => outcome.kind)), new Set(['granted']))
  t.same(
    await stores.sql(`select count(distinct xmin::text)::int as transactions, count(*)::int as locks,
      bool_and(holder = 'user' || (metadata->>'index') and reference = 'ref' || (metadata->>'index')) as own from locks`),
    [{ transactions: 1, locks: 64, own: true }],
  )
})

t.test('a repeat gives the same lock also where its namespace was closed meanwhile', async t => {
  const stores = await openStores(t)
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  await stores.sql("insert into namespaces (name, is_closed) values ('tests', true)")
  const root = { takeover: { reason: 'test' } }
  for (const options of [{ session }, { session, ...root }]) {
    t.match(await acquire(stores, 'a', options), { grants: [{ existing: true, lock: { id: lock.id } }] })
    t.match(await acquire(stores, ['a', 'b'], options), {
      kind: 'resource_not_found',
      resources: [{ id: 'b' }],
    })
  }
  t.match(await acquire(stores, 'b'), { kind: 'resource_not_found' })
  t.same(await faults(stores), [])
})
