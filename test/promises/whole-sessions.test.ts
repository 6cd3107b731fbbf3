import t from 'tap'
import { LockRepository } from '../../src/database/lock-repository.ts'
import { auditIsEmpty } from '../support/audit.ts'
import {
  acquire,
  expire,
  faults,
  granted,
  grantedOne,
  named,
  openStores,
  type Stores,
} from '../support/database.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

/** Holds the row of a session while `tasks` start and wait for it one behind the other, then lets go. */
async function queueBehind<Results extends readonly unknown[]>(
  t: Parameters<typeof connectedTo>[0],
  stores: Stores,
  sessionId: string,
  tasks: { [Index in keyof Results]: () => Promise<Results[Index]> },
): Promise<Results> {
  const blocker = await connectedTo(t, stores.url)
  await blocker.query('begin')
  await blocker.query('select from leasehold.sessions where id = $1 for update', [sessionId])
  const results: Promise<unknown>[] = []
  for (const task of tasks) {
    results.push(task())
    await untilWaiting(stores, results.length)
  }
  await blocker.query('commit')
  return (await Promise.all(results)) as unknown as Results
}

t.test('an end that waited for an acquire also ends what that acquire took', async t => {
  const stores = await openStores(t)
  const session = named(undefined, 30, false)
  await granted(stores, 'a', { session })
  const [taken, ended] = await queueBehind(t, stores, session.id, [
    () => acquire(stores, 'b', { session }),
    () => stores.sessions.end(session.id, 'alice'),
  ])
  t.equal(taken.kind, 'granted')
  t.equal(ended, true)
  t.same(
    await stores.sql('select resource_id from locks'),
    [],
    'the end did not see the row, the trigger did',
  )
  await auditIsEmpty(t, stores)
})

t.test('without the trigger that lock would stay under an ended session', async t => {
  const stores = await openStores(t)
  await stores.sql('drop trigger end_locks_of_session on sessions')
  const session = named(undefined, 30, false)
  await granted(stores, 'a', { session })
  await queueBehind(t, stores, session.id, [
    () => acquire(stores, 'b', { session }),
    () =>
      stores.sql(
        `with ended as (update sessions set ended_at = now() where id = $1 returning id)
         delete from locks using ended where session_id = ended.id`,
        [session.id],
      ),
  ])
  t.match(await faults(stores), [
    /a lock without a session: .* has ended/,
    /a rule that is switched off: the trigger end_locks_of_session/,
  ])
})

t.test('an acquire under a session that is being ended is refused, not an error', async t => {
  const stores = await openStores(t)
  const session = named()
  await granted(stores, 'a', { session })
  const [ended, outcome] = await queueBehind(t, stores, session.id, [
    () => stores.sessions.end(session.id, 'alice'),
    () => acquire(stores, 'b', { session }),
  ])
  t.equal(ended, true)
  t.same(outcome, { kind: 'session_expired' })
  await auditIsEmpty(t, stores)
})

t.test('the last lock is judged after the wait: a session that took another lives on', async t => {
  const stores = await openStores(t)
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  const [taken, released] = await queueBehind(t, stores, session.id, [
    () => acquire(stores, 'b', { session }),
    () => stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' }),
  ])
  t.equal(taken.kind, 'granted')
  t.ok(released)
  t.match(
    await stores.sql('select resource_id from locks'),
    [{ resource_id: 'b' }],
    'an answered grant stays',
  )
  t.match(await stores.sessions.touch(session.id, 'alice'), { kind: 'live' })
})

t.test('of two releases that wait for one another the second finds nothing', async t => {
  const stores = await openStores(t)
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  const name = { namespace: 'tests', lockId: lock.id, holder: 'alice' }
  // those of one process would wait in line for one statement
  const replica = new LockRepository(stores.database, { retried() {} })
  const results = await queueBehind(t, stores, session.id, [
    () => stores.locks.release(name),
    () => replica.release(name),
    () => stores.locks.touch(name),
  ])
  t.same(
    results.map(result => result !== undefined),
    [true, false, false],
  )
  await auditIsEmpty(t, stores)
})

t.test('a takeover that waited for the old holder takes what is there then', async t => {
  const stores = await openStores(t)
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  const [released, taken] = await queueBehind(t, stores, session.id, [
    () => stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' }),
    () => acquire(stores, 'a', { holder: 'root', takeover: { reason: 'test' } }),
  ])
  t.ok(released)
  t.match(taken, { kind: 'granted', grants: [{ lock: { holder: 'root' } }] })
  await auditIsEmpty(t, stores)
})

for (const [how, options] of [
  ['an acquire', {}],
  ['a takeover', { takeover: { reason: 'test' } }],
] as const) {
  t.test(
    `${how} of a set that lost one of its locks while it waited is not granted the rest alone`,
    async t => {
      const stores = await openStores(t)
      const session = named(undefined, 30, false)
      const lock = await grantedOne(stores, 'a', { session })
      const [released, taken] = await queueBehind(t, stores, session.id, [
        () => stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' }),
        () => acquire(stores, ['a', 'b'], { session, ...options }),
      ])
      t.ok(released)
      t.match(taken, { kind: 'granted', existingCount: 0 }, 'what was released is granted anew')
      t.match(await stores.sql('select resource_id from locks order by resource_id'), [
        { resource_id: 'a' },
        { resource_id: 'b' },
      ])
      t.same(stores.retries, ['partial_set'])
    },
  )
}

t.test('a set of which a lock was taken over while it waited is refused', async t => {
  const stores = await openStores(t)
  const session = named(undefined, 30, false)
  await grantedOne(stores, 'a', { session })
  const [taken, refused] = await queueBehind(t, stores, session.id, [
    () => acquire(stores, 'a', { holder: 'root', takeover: { reason: 'test' } }),
    () => acquire(stores, ['a', 'b'], { session }),
  ])
  t.equal(taken.kind, 'granted')
  t.match(refused, { kind: 'conflict', conflicts: [{ holder: 'root', resource: { id: 'a' } }] })
  t.match(await stores.sql('select resource_id, holder from locks'), [{ resource_id: 'a', holder: 'root' }])
})

t.test('a touch that waited for a takeover finds its lock gone', async t => {
  const stores = await openStores(t)
  const session = named()
  const lock = await grantedOne(stores, 'a', { session })
  const name = { namespace: 'tests', lockId: lock.id, holder: 'alice' }
  const [taken, touched] = await queueBehind(t, stores, session.id, [
    () => acquire(stores, 'a', { holder: 'root', takeover: { reason: 'test' } }),
    () => stores.locks.touch(name),
  ])
  t.equal(taken.kind, 'granted')
  t.equal(touched, undefined)
})

t.test('two acquires that make the same session take both what they wanted', async t => {
  const stores = await openStores(t)
  const session = named()
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) => acquire(stores, `r${index}`, { session })),
  )
  t.same(new Set(outcomes.map(outcome => outcome.kind)), new Set(['granted']))
  t.equal(await stores.sessions.count(), 1)
  await auditIsEmpty(t, stores)
})

t.test('of many at once under one session id that repeat one acquire all get the same lock', async t => {
  const stores = await openStores(t)
  const session = named()
  const locks = await Promise.all(Array.from({ length: 20 }, () => grantedOne(stores, 'a', { session })))
  t.equal(new Set(locks.map(lock => lock.id)).size, 1)
  t.equal(new Set(locks.map(lock => lock.fencingToken)).size, 1)
})

for (const [how, options] of [
  ['an acquire', {}],
  ['a takeover', { takeover: { reason: 'test' } }],
] as const) {
  t.test(
    `${how} that waited while its expired session went away is not told of the locks it had`,
    async t => {
      const stores = await openStores(t)
      const lock = await grantedOne(stores, 'a')
      await expire(stores)
      const session = named(lock.sessionId)
      const [, outcome] = await queueBehind(t, stores, lock.sessionId, [
        () =>
          stores.sql('delete from sessions where id = $1 and expires_at <= clock_timestamp()', [
            lock.sessionId,
          ]),
        () => acquire(stores, 'a', { session, ...options }),
      ])
      t.match(outcome, {
        kind: 'granted',
        grants: [{ existing: false, lock: { sessionId: lock.sessionId } }],
      })
      t.not(
        outcome.kind === 'granted' && outcome.grants[0]?.lock.id,
        lock.id,
        'a new grant, not the dead one',
      )
      t.equal((await acquire(stores, 'a', { holder: 'bob' })).kind, 'conflict', 'what was answered is so')
      await auditIsEmpty(t, stores)
    },
  )
}

t.test('a temporary table of a DBA never stands for one of ours', async t => {
  const stores = await openStores(t)
  const session = named(undefined, 30, false)
  await granted(stores, 'a', { session })
  const dba = await connectedTo(t, stores.url)
  await dba.query('create temp table locks as table leasehold.locks')
  await dba.query('update leasehold.sessions set ended_at = clock_timestamp() where id = $1', [session.id])
  t.same(await stores.sql('select resource_id from locks'), [], 'the lock ended with its session')
  t.same(
    await stores.sql(
      `select proname from pg_proc, unnest(proconfig) as setting
       where pronamespace = 'leasehold'::regnamespace and setting like 'search_path=%' and setting not like '%, pg_temp'`,
    ),
    [],
    'and so it is with every function',
  )
  await auditIsEmpty(t, stores)
})
