import t from 'tap'
import { LockRepository } from '../../src/database/lock-repository.ts'
import { expire, faults, grantedOne, openStores, request } from '../support/database.ts'

/** Requests that arrive together and are one statement. */

t.test(
  'a crowd at a free resource is one statement: one is granted it, and the others are told who',
  async t => {
    const stores = await openStores(t)
    const requests = Array.from({ length: 50 }, (_, number) =>
      request(number < 40 ? 'hot' : `own ${number}`, { holder: `user ${number}`, client: `ws-${number}` }),
    )
    const outcomes = await stores.locks.acquire(requests)
    const hot = outcomes.slice(0, 40)
    const [first] = hot
    if (first?.kind !== 'granted') throw new Error('the first one did not get it')
    const lock = first.grants[0]?.lock
    t.match(lock, { holder: 'user 0', client: 'ws-0', expiresInSeconds: 30 })
    for (const outcome of hot.slice(1))
      t.same(outcome, { kind: 'conflict', conflicts: [lock], conflictCount: 1 })
    t.ok(outcomes.slice(40).every(({ kind }) => kind === 'granted'))
    t.same(
      await stores.sql(
        'select count(distinct xmin::text)::int as statements, count(*)::int as locks from locks',
      ),
      [{ statements: 1, locks: 11 }],
    )
    t.same(
      await stores.sql('select count(*)::int as sessions from sessions'),
      [{ sessions: 11 }],
      'none is left over',
    )
    t.same(stores.retries, [], 'nobody had to ask again')
    t.same(await faults(stores), [])
  },
)

t.test('each of many gets what is so for it', async t => {
  const stores = await openStores(t)
  const held = await grantedOne(stores, 'held', {
    holder: 'bob',
    session: { kind: 'implicit', ttlSeconds: null },
  })
  await grantedOne(stores, 'expired', { holder: 'bob' })
  await expire(stores)
  await stores.sql("insert into namespaces (name, is_closed) values ('closed', true)")
  const outcomes = await stores.locks.acquire([
    request('free', { session: { kind: 'implicit', ttlSeconds: null } }),
    request('held'),
    request('expired'),
    request('expired', { holder: 'carol' }),
    { ...request('x'), resources: [{ namespace: 'closed', type: 'thing', id: 'x' }] },
  ])
  t.match(outcomes[0], { kind: 'granted', grants: [{ lock: { expiresAt: null, expiresInSeconds: null } }] })
  t.match(outcomes[1], { kind: 'conflict', conflicts: [{ id: held.id, expiresInSeconds: null }] })
  t.same(
    outcomes
      .slice(2, 4)
      .map(({ kind }) => kind)
      .sort((one, other) => one.localeCompare(other)),
    ['conflict', 'granted'],
    'one of them gets what had expired',
  )
  t.match(outcomes[4], { kind: 'resource_not_found', resources: [{ namespace: 'closed', id: 'x' }] })
  t.same(await faults(stores), [])
})

t.test('requests of one session that arrive together are one statement', async t => {
  const stores = await openStores(t)
  const session = {
    kind: 'named',
    id: '0e8f4a52-3f0e-4b55-9a53-0d6d3f0f6a11',
    ttlSeconds: 60,
    endsWithLastLock: true,
  } as const
  await grantedOne(stores, 'held', { holder: 'bob' })
  const outcomes = await stores.locks.acquire([
    request('a', { session }),
    request(['b', 'c'], { session }),
    request(['d', 'held'], { session }),
  ])
  t.same(
    outcomes.map(({ kind }) => kind),
    ['granted', 'granted', 'conflict'],
  )
  t.same(
    await stores.sql(`select count(distinct xmin::text)::int as statements, count(*)::int as locks
      from locks where session_id = '${session.id}'`),
    [{ statements: 1, locks: 3 }],
  )
  t.same(await faults(stores), [])
})

t.test('a request that cannot succeed does not fail those that came with it', async t => {
  const stores = await openStores(t)
  const tooLong = 'x'.repeat(2000)
  const outcomes = await Promise.allSettled(
    ['a', tooLong, 'b'].map(id => stores.locks.acquire([request(id)])),
  )
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.equal(await stores.locks.count(), 2)
})

t.test('touches and releases that arrive together are one statement each', async t => {
  const stores = await openStores(t)
  const locks = await Promise.all(['a', 'b', 'c', 'd'].map(id => grantedOne(stores, id)))
  const names = locks.map(({ id }) => ({ namespace: 'tests', lockId: id, holder: 'alice' }))
  const [a, b, c, d] = names
  if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('no locks')
  const touched = await Promise.all([
    stores.locks.touch(a),
    stores.locks.touch(b),
    stores.locks.touch(a),
    stores.locks.touch({ ...c, holder: 'bob' }),
    stores.locks.touch({ ...d, namespace: 'elsewhere' }),
  ])
  t.same(
    touched.map(lock => lock?.resource.id),
    ['a', 'b', 'a', undefined, undefined],
  )
  t.same(
    await stores.sql(`select count(distinct xmin::text)::int as statements from sessions
      where last_touch > started`),
    [{ statements: 1 }],
  )
  const released = await Promise.all([
    stores.locks.release(a),
    stores.locks.forceRelease(b, { by: 'root', reason: 'a test' }),
    stores.locks.release({ ...c, holder: 'bob' }),
    stores.locks.release(a),
  ])
  // the two of one lock are a statement each, and either may come first
  const [first, forced, foreign, second] = released
  t.match([first ?? second, forced], [{ holder: 'alice', fencingToken: Number }, { holder: 'alice' }])
  t.same([first && second, foreign], [undefined, undefined])
  t.same(await stores.sql('select resource_id from locks order by 1'), [
    { resource_id: 'c' },
    { resource_id: 'd' },
  ])
  t.same(await faults(stores), [])
})

t.test('sessions that are touched together each get their own answer', async t => {
  const stores = await openStores(t)
  const mine = await grantedOne(stores, 'a')
  const bobs = await grantedOne(stores, 'b', { holder: 'bob' })
  const outcomes = await Promise.all([
    stores.sessions.touch(mine.sessionId, 'alice'),
    stores.sessions.touch(mine.sessionId, 'alice'),
    stores.sessions.touch(bobs.sessionId, 'alice'),
    stores.sessions.touch('00000000-0000-4000-8000-000000000000', 'alice'),
  ])
  t.match(outcomes, [
    { kind: 'live', session: { id: mine.sessionId, user: 'alice' } },
    { kind: 'live' },
    { kind: 'session_forbidden' },
    { kind: 'session_not_found' },
  ])
})

t.test('without batches every request is answered the same', async t => {
  const { database, locks } = await openStores(t)
  const alone = new LockRepository(database, { retried() {} }, { batching: { maxBatch: 1, maxInFlight: 1 } })
  const [outcome] = await alone.acquire([request('a')])
  if (outcome?.kind !== 'granted') throw new Error('not granted')
  const name = { namespace: 'tests', lockId: outcome.grants[0]?.lock.id ?? '', holder: 'alice' }
  t.match(await alone.touch(name), { id: name.lockId })
  t.match(await alone.release(name), { holder: 'alice' })
  t.equal(await alone.touch(name), undefined)
  t.equal(await alone.release(name), undefined)
  t.equal(await locks.count(), 0)
})
