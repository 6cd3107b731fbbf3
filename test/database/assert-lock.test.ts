import type pg from 'pg'
import t from 'tap'
import type { Lock } from '../../src/locks/lock.ts'
import { sweepAll } from '../../src/locks/sweeper.ts'
import { acquire, expire, grantedOne, named, openStores, type Stores } from '../support/database.ts'
import { connectedTo, type Teardown } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

const GONE = { code: 'LH001' }

/** An application in the same database: a transaction of its own that asserts a lock. */
async function application(t: Teardown, stores: Stores) {
  const client = await connectedTo(t, stores.url, 'public')
  const ask = (name: string, { resource, fencingToken }: Pick<Lock, 'resource' | 'fencingToken'>) =>
    client.query<{ answer: unknown }>(`select leasehold.${name}($1, $2, $3, $4) as answer`, [
      resource.namespace,
      resource.type,
      resource.id,
      fencingToken,
    ])
  return {
    client,
    assertLock: (lock: Pick<Lock, 'resource' | 'fencingToken'>) => ask('assert_lock', lock),
    tryAssertLock: async (lock: Pick<Lock, 'resource' | 'fencingToken'>) =>
      (await ask('try_assert_lock', lock)).rows[0]?.answer,
  }
}

/** Whether other transactions find any row of the table locked. */
async function isLocked(stores: Stores, table: 'sessions' | 'locks'): Promise<boolean> {
  const rows = await stores.sql(`select from ${table} for update skip locked`)
  const [all] = await stores.sql<{ count: number }>(`select count(*)::int from ${table}`)
  return rows.length < (all?.count ?? 0)
}

t.test('a lock is asserted by its resource and its token', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const { assertLock, tryAssertLock } = await application(t, stores)
  await t.resolves(assertLock(lock))
  t.equal(await tryAssertLock(lock), true)
  for (const wrong of [
    { ...lock, fencingToken: lock.fencingToken + 1 },
    { ...lock, fencingToken: lock.fencingToken - 1 },
    { ...lock, resource: { ...lock.resource, id: 'A' } },
    { ...lock, resource: { ...lock.resource, type: 'other' } },
    { ...lock, resource: { ...lock.resource, namespace: 'other' } },
  ]) {
    await t.rejects(assertLock(wrong), GONE)
    t.equal(await tryAssertLock(wrong), false)
  }
})

t.test('whoever asserts a lock that is gone is told what is so', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const { assertLock, tryAssertLock } = await application(t, stores)
  const message = `the lock of thing/a in tests with the token ${lock.fencingToken} is gone`
  const hint = 'Roll back and stop: whatever was done under this lock may be overtaken.'
  await expire(stores)
  await t.rejects(assertLock(lock), { ...GONE, message, detail: 'Its session has expired.', hint })
  t.equal(await tryAssertLock(lock), false)
  const next = await grantedOne(stores, 'a', { holder: 'bob' })
  await t.rejects(assertLock(lock), {
    ...GONE,
    message,
    detail: `The resource is held with the token ${next.fencingToken}.`,
  })
  await stores.locks.release({ namespace: 'tests', lockId: next.id, holder: 'bob' })
  await t.rejects(assertLock(lock), { ...GONE, message, detail: 'Nobody holds the resource.' })
})

t.test('nothing that ends a lock gets past one that is asserted, until the transaction ends', async t => {
  const stores = await openStores(t)
  const session = named(undefined, 30, false)
  const name = (lock: Lock) => ({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  const boss = { holder: 'boss', takeover: { reason: 'a test' } }
  const which = { kind: 'all' } as const
  const ways: Record<string, (lock: Lock) => Promise<unknown>> = {
    'a release': lock => stores.locks.release(name(lock)),
    'two releases together': lock => Promise.all([1, 2, 3].map(() => stores.locks.release(name(lock)))),
    'a forced release': lock => stores.locks.forceRelease(name(lock), { by: 'root', reason: 'a test' }),
    'a release of all': () => stores.locks.releaseSet({ namespace: 'tests', which, holder: 'alice' }),
    'the end of its session': lock => stores.sessions.end(lock.sessionId, 'alice'),
    'a takeover': lock => acquire(stores, lock.resource.id, boss),
    'a delete by hand': lock => stores.sql('delete from locks where id = $1', [lock.id]),
    'the end of its session by hand': lock =>
      stores.sql('update sessions set ended_at = now() where id = $1', [lock.sessionId]),
    'a delete of its session': lock => stores.sql('delete from sessions where id = $1', [lock.sessionId]),
    'a truncate': () => stores.sql('truncate locks'),
  }
  const { client, assertLock, tryAssertLock } = await application(t, stores)
  for (const [what, end] of Object.entries(ways)) {
    const lock = await grantedOne(stores, 'a', what.includes('session') ? { session } : {})
    await client.query('begin')
    await assertLock(lock)
    let isOver = false
    const ending = end(lock).finally(() => {
      isOver = true
    })
    await untilWaiting(stores, 1)
    t.equal(isOver, false, `${what} waits`)
    await client.query('commit')
    await ending
    t.equal(await tryAssertLock(lock), false, `and comes then`)
    await stores.sql('delete from locks; delete from sessions')
  }
})

t.test('what waits for an asserted lock gives up in time, and says so', async t => {
  const stores = await openStores(t, { lockTimeoutMs: 100 })
  const lock = await grantedOne(stores, 'a')
  const { client, assertLock } = await application(t, stores)
  await client.query('begin')
  await assertLock(lock)
  const tooLate = { code: 'database_timeout', outcome: 'unchanged' }
  await t.rejects(stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' }), tooLate)
  await t.rejects(acquire(stores, 'a', { holder: 'boss', takeover: { reason: 'a test' } }), tooLate)
  await t.rejects(stores.sessions.end(lock.sessionId, 'alice'), tooLate)
  await client.query('commit')
  t.match(await stores.locks.find(lock.resource), { id: lock.id })
})

t.test('touches, acquires of the same session and reads go on beside an asserted lock', async t => {
  const stores = await openStores(t, { lockTimeoutMs: 100 })
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  const { client, assertLock } = await application(t, stores)
  await client.query('begin')
  await assertLock(lock)
  t.ok(await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' }))
  t.match(await acquire(stores, 'b', { session }), { kind: 'granted' })
  t.match(await acquire(stores, 'a', { session }), { kind: 'granted', existingCount: 1 })
  t.match(await acquire(stores, 'a', { holder: 'bob' }), { kind: 'conflict' })
  t.match(await stores.locks.find(lock.resource), { id: lock.id })
  await client.query('commit')
})

t.test('a lock that expires while it is asserted is granted to nobody before the commit', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const { client, assertLock, tryAssertLock } = await application(t, stores)
  await client.query('begin')
  await assertLock(lock)
  await expire(stores)
  t.match(await acquire(stores, 'a', { holder: 'bob' }), { kind: 'contended' })
  t.match(await sweepAll(stores.sessions), { sessions: 0 }, 'the sweeper passes it by')
  await client.query('commit')
  t.equal(await tryAssertLock(lock), false)
  t.match(await acquire(stores, 'a', { holder: 'bob' }), { kind: 'granted' })
})

t.test('a lock that is taken over between check and commit was not taken over before the commit', async t => {
  const stores = await openStores(t)
  await stores.sql('create table public.report (body text)')
  await stores.sql(`insert into public.report values ('empty')`)
  const first = await grantedOne(stores, 'report')
  const one = await application(t, stores)
  await one.client.query('begin')
  await one.assertLock(first)
  const taking = grantedOne(stores, 'report', { holder: 'boss', takeover: { reason: 'a test' } })
  await untilWaiting(stores, 1)
  await one.client.query(`update report set body = 'by alice'`)
  await one.client.query('commit')
  const second = await taking
  const other = await application(t, stores)
  await other.client.query('begin')
  await other.assertLock(second)
  const { rows } = await other.client.query('select body from report')
  t.same(rows, [{ body: 'by alice' }], 'the next holder sees all that was written under the lock before')
  await other.client.query('commit')
  await t.rejects(one.assertLock(first), GONE, 'and nothing is written under that one any more')
})

t.test('an assertion that waits for a takeover under way fails when that commits', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const blocker = await connectedTo(t, stores.url, 'leasehold')
  for (const ending of [
    'select from sessions for update; delete from locks',
    'select from sessions for update; update sessions set ended_at = now()',
    'update sessions set ended_at = now()',
  ]) {
    const { assertLock } = await application(t, stores)
    await blocker.query('begin')
    await blocker.query(ending)
    const asserting = assertLock(lock)
    asserting.catch(() => {})
    await untilWaiting(stores, 1)
    await blocker.query('rollback')
    await t.resolves(asserting, 'where it is rolled back, the lock is still held')
  }
  await blocker.query('begin')
  await blocker.query('select from sessions for update; delete from locks')
  const { assertLock } = await application(t, stores)
  const asserting = assertLock(lock)
  asserting.catch(() => {})
  await untilWaiting(stores, 1)
  await blocker.query('commit')
  await t.rejects(asserting, GONE)
})

t.test('an assertion that waited past the expiry fails', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const blocker = await connectedTo(t, stores.url, 'leasehold')
  await blocker.query('begin')
  await blocker.query('select from sessions for update')
  const { assertLock } = await application(t, stores)
  const asserting = assertLock(lock)
  asserting.catch(() => {})
  await untilWaiting(stores, 1)
  await blocker.query(
    `update sessions set last_touch = started, expires_at = clock_timestamp() - interval '1 ms'`,
  )
  await blocker.query('commit')
  await t.rejects(asserting, { ...GONE, detail: 'Its session has expired.' })
})

t.test('a lock that is not held leaves no row locked', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  await expire(stores)
  const { client, assertLock, tryAssertLock } = await application(t, stores)
  await client.query('begin')
  t.equal(await tryAssertLock(lock), false)
  t.equal(await isLocked(stores, 'sessions'), false)
  t.equal(await isLocked(stores, 'locks'), false)
  t.match(await acquire(stores, 'a', { holder: 'bob' }), { kind: 'granted' })
  await client.query('commit')
  const next = await stores.locks.find(lock.resource)
  if (next === undefined) throw new Error('not held')
  await client.query('begin')
  await client.query('savepoint before')
  await assertLock(next)
  t.equal(await isLocked(stores, 'sessions'), true)
  await client.query('rollback to before')
  t.equal(await isLocked(stores, 'sessions'), false, 'a rollback to a savepoint takes the assertion back')
  await client.query('commit')
})

for (const level of ['repeatable read', 'serializable']) {
  t.test(`in ${level} an old snapshot is no proof`, async t => {
    const stores = await openStores(t)
    const lock = await grantedOne(stores, 'a', { session: named() })
    const { client, assertLock } = await application(t, stores)
    const begin = async () => {
      await client.query(`begin isolation level ${level}`)
      await client.query('select 1 from pg_class limit 1')
    }
    await begin()
    await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
    await t.resolves(assertLock(lock), 'a touch does no harm')
    await client.query('commit')
    await begin()
    await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
    await t.rejects(assertLock(lock), { code: '40001' })
    await client.query('rollback')
    await begin()
    const late = await grantedOne(stores, 'a')
    await t.rejects(assertLock(late), GONE, 'what was granted after the snapshot is not seen')
    await client.query('rollback')
  })
}

t.test("a caller's temporary tables prove nothing", async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const { client, tryAssertLock } = await application(t, stores)
  await client.query('create temporary table locks as select * from leasehold.locks')
  await client.query('create temporary table sessions as select * from leasehold.sessions')
  await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  t.equal(await tryAssertLock(lock), false)
})

t.test('trouble is an error and never false', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const blocker = await connectedTo(t, stores.url, 'leasehold')
  await blocker.query('begin')
  await blocker.query('select from sessions for update')
  const { client, tryAssertLock } = await application(t, stores)
  await client.query(`set lock_timeout = '20ms'`)
  await t.rejects(tryAssertLock(lock), { code: '55P03' } satisfies Partial<pg.DatabaseError>)
  await blocker.query('rollback')
  t.equal(await tryAssertLock(lock), true)
})
