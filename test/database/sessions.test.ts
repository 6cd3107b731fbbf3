import { randomUUID } from 'node:crypto'
import t from 'tap'
import { acquire, expire, faults, granted, grantedOne, named, openStores } from '../support/database.ts'

t.test('a session is created, touched, listed and ended', async t => {
  const stores = await openStores(t)
  const id = randomUUID()
  const made = await stores.sessions.create({ id, user: 'alice', client: 'ws', ttlSeconds: 30 })
  t.match(made, {
    kind: 'live',
    existing: false,
    session: { id, client: 'ws', ttlSeconds: 30, expiresInSeconds: 30 },
  })
  t.match(await stores.sessions.create({ id, user: 'alice', client: null, ttlSeconds: 9 }), {
    kind: 'live',
    existing: true,
    session: { client: 'ws', ttlSeconds: 30 },
  })
  t.match(await stores.sessions.create({ id, user: 'bob', client: null, ttlSeconds: 9 }), {
    kind: 'session_forbidden',
  })
  t.match(await stores.sessions.get(id, 'alice'), { id, ttlSeconds: 30 })
  t.equal(await stores.sessions.get(id, 'bob'), undefined)
  t.match(await stores.sessions.get(id, null), { id })
  const other = await stores.sessions.create({ id: null, user: 'bob', client: null, ttlSeconds: null })
  t.match(other, { session: { ttlSeconds: null, expiresAt: null, expiresInSeconds: null } })
  t.equal((await stores.sessions.list({ limit: 10 })).length, 2)
  t.match(await stores.sessions.list({ user: 'alice', limit: 10 }), [{ id }])
  t.equal(await stores.sessions.count(), 2)
  t.equal(await stores.sessions.end(id, 'bob'), false, 'only its own user ends it')
  t.equal(await stores.sessions.end(id, 'alice'), true)
  t.equal(await stores.sessions.end(id, 'alice'), false)
  t.same(await stores.sessions.touch(id, 'alice'), { kind: 'session_expired' })
  t.same(await stores.sessions.touch(randomUUID(), 'alice'), { kind: 'session_not_found' })
  t.equal(await stores.sessions.get(id, null), undefined)
})

t.test('a session ends whole: all its locks together', async t => {
  const stores = await openStores(t)
  const session = named()
  await granted(stores, ['a', 'b', 'c'], { session })
  await granted(stores, 'd', { session: { kind: 'existing', id: session.id } })
  const other = await grantedOne(stores, 'e')
  t.equal(await stores.sessions.end(session.id, 'alice'), true)
  t.match(await stores.sql('select id, session_id from locks'), [{ id: other.id }])
  t.same(await faults(stores), [])
})

t.test('a session made for its locks ends with the last of them', async t => {
  const stores = await openStores(t)
  const [a, b] = await granted(stores, ['a', 'b'])
  const release = (lockId = '') => stores.locks.release({ namespace: 'tests', lockId, holder: 'alice' })
  await release(a?.id)
  t.equal(await stores.sessions.count(), 1)
  await release(b?.id)
  t.same(await stores.sql('select * from sessions'), [], 'nobody knows its id, so no tombstone stays')
})

t.test('a session made to stay outlives its last lock', async t => {
  const stores = await openStores(t)
  const session = named(randomUUID(), 30, false)
  const lock = await grantedOne(stores, 'a', { session })
  await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  t.match(await stores.sessions.touch(session.id, 'alice'), { kind: 'live' })
})

t.test('what a DBA does by hand keeps sessions whole', async t => {
  const stores = await openStores(t)
  const ended = named()
  await granted(stores, ['a', 'b'], { session: ended })
  const deleted = named()
  await granted(stores, ['c', 'd'], { session: deleted })
  const emptied = named()
  await granted(stores, ['e', 'f'], { session: emptied })
  await granted(stores, ['g', 'h'])
  await stores.sql('update sessions set ended_at = now() where id = $1', [ended.id])
  await stores.sql('delete from sessions where id = $1', [deleted.id])
  await stores.sql("delete from locks where resource_id in ('e', 'f', 'g', 'h')")
  t.same(await stores.sql('select id from locks'), [])
  t.same(
    await stores.sql('select id, end_reason from sessions order by end_reason'),
    [
      { id: emptied.id, end_reason: 'last_lock_gone' },
      { id: ended.id, end_reason: null },
    ],
    'named sessions leave a tombstone, unless their row is deleted',
  )
  t.same(await acquire(stores, 'a', { session: ended }), { kind: 'session_expired' })
  t.same(await acquire(stores, 'e', { session: emptied }), { kind: 'session_expired' })
  t.same(await faults(stores), [])
})

t.test('a touch never shortens a lease and never revives one', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: named(randomUUID(), 30) })
  await stores.sql("update sessions set expires_at = expires_at + interval '1 hour'")
  const touched = await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  t.ok((touched?.expiresInSeconds ?? 0) > 3000)
  t.ok(Number(touched?.sessionLastTouch) > Number(lock.sessionLastTouch))
  t.same(touched?.lockTime, lock.lockTime)
  t.equal(touched?.fencingToken, lock.fencingToken)
  t.equal(await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'bob' }), undefined)
  t.equal(await stores.locks.touch({ namespace: 'other', lockId: lock.id, holder: 'alice' }), undefined)
  await expire(stores)
  t.equal(await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' }), undefined)
  t.same(await stores.sessions.touch(lock.sessionId, 'alice'), { kind: 'session_expired' })
  t.equal(await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' }), undefined)
  t.equal(await stores.sessions.end(lock.sessionId, 'alice'), false)
})

t.test("a server's clock that is set back shortens no lease and moves no touch back", async t => {
  const stores = await openStores(t)
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  // as if the clock had been an hour ahead until now
  const [ahead] = await stores.sql<{ last_touch: Date; expires_at: Date }>(
    `update sessions set started = started + interval '1 hour', last_touch = last_touch + interval '1 hour',
       expires_at = expires_at + interval '1 hour' returning last_touch, expires_at`,
  )
  const touched = await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  t.same([touched?.sessionLastTouch, touched?.expiresAt], [ahead?.last_touch, ahead?.expires_at])
  t.match(await stores.sessions.touch(session.id, 'alice'), {
    kind: 'live',
    session: { lastTouch: ahead?.last_touch },
  })
  t.equal((await acquire(stores, 'a', { session })).kind, 'granted')
  t.equal((await acquire(stores, 'a', { reentry: 'user' })).kind, 'granted')
})

t.test('a release names one grant: a late one ends nothing newer', async t => {
  const stores = await openStores(t)
  const first = await grantedOne(stores, 'a')
  t.match(await stores.locks.release({ namespace: 'tests', lockId: first.id, holder: 'alice' }), {
    fencingToken: first.fencingToken,
  })
  const second = await grantedOne(stores, 'a')
  t.equal(await stores.locks.release({ namespace: 'tests', lockId: first.id, holder: 'alice' }), undefined)
  t.equal(await stores.locks.release({ namespace: 'tests', lockId: second.id, holder: 'bob' }), undefined)
  const force = { by: 'root', reason: 'a test' }
  t.equal(await stores.locks.forceRelease({ namespace: 'other', lockId: second.id }, force), undefined)
  t.match(await stores.locks.find(first.resource), { id: second.id })
  t.match(await stores.locks.forceRelease({ namespace: 'tests', lockId: second.id }, force), {
    holder: 'alice',
  })
})

t.test('lists are pages in the order of ids, and filters combine', async t => {
  const stores = await openStores(t)
  const session = named()
  await granted(stores, ['a/1', 'a/2', 'b/1'], { session })
  await granted(stores, ['a%3', 'c'], { holder: 'bob' })
  const ids = async (filter: object) =>
    (await stores.locks.list({ namespace: 'tests', limit: 100, ...filter })).map(lock => lock.resource.id)
  t.same(await ids({}), ['a/1', 'a/2', 'b/1', 'a%3', 'c'])
  t.same(await ids({ idPrefix: 'a/' }), ['a/1', 'a/2'])
  t.same(await ids({ idPrefix: 'a%' }), ['a%3'], 'a prefix is text, not a pattern')
  t.same(await ids({ holder: 'bob' }), ['a%3', 'c'])
  t.same(await ids({ sessionId: session.id, idPrefix: 'b' }), ['b/1'])
  t.same(await ids({ type: 'other' }), [])
  t.same(await ids({ id: 'c' }), ['c'])
  t.same(await stores.locks.list({ namespace: 'elsewhere', limit: 10 }), [])
  const first = await stores.locks.list({ namespace: 'tests', limit: 2 })
  const next = await ids({ limit: 2, afterLockId: first[1]?.id })
  t.same(next, ['b/1', 'a%3'])
})
