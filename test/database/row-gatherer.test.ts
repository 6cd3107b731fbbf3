import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Lock } from '../../src/locks/lock.ts'
import { faults, granted, named, openStores, type Stores } from '../support/database.ts'

/** Nothing here may come to it: whoever waits for a row that is kept would wait for longer than the test runs. */
const PATIENT = { lockTimeoutMs: 120_000, statementTimeoutMs: 120_000 }

const SESSION = '00000000-0000-4000-8000-000000000001'
const LOCK_IDS = ['a', 'b', 'c', 'd']

interface Scene {
  readonly stores: Stores
  /** All under one session, whose row somebody keeps. */
  readonly kept: readonly Lock[]
  /** Under a session each. */
  readonly others: readonly Lock[]
  readonly letGo: () => Promise<unknown>
}

/** An application that has asserted a lock, in a transaction that goes on. */
async function asserted(t: Test): Promise<Scene> {
  const stores = await openStores(t, PATIENT)
  await stores.sessions.create({ id: SESSION, user: 'alice', client: null, ttlSeconds: 3600 })
  const kept = await granted(stores, LOCK_IDS, { session: { kind: 'existing', id: SESSION } })
  const others = (await Promise.all(['e', 'f', 'g'].map(id => granted(stores, id)))).flat()
  const application = new pg.Client({ connectionString: stores.url })
  await application.connect()
  t.teardown(() => application.end())
  await application.query('begin')
  const [{ resource, fencingToken }] = kept as [Lock]
  await application.query('select leasehold.assert_lock($1, $2, $3, $4)', [
    resource.namespace,
    resource.type,
    resource.id,
    fencingToken,
  ])
  return { stores, kept, others, letGo: () => application.query('commit') }
}

const turnOfTheLoop = () => new Promise(resolve => setImmediate(resolve))

const nameOf = ({ resource: { namespace }, id, holder }: Lock) => ({ namespace, lockId: id, holder })

t.test('releases of others do not wait for a session that is kept', async t => {
  const { stores, kept, others, letGo } = await asserted(t)
  const waiting = kept.map(lock => stores.locks.release(nameOf(lock)))
  const released = await Promise.all(others.map(lock => stores.locks.release(nameOf(lock))))
  t.ok(released.every(answer => answer !== undefined))
  t.match(await stores.sql('select count(*)::int from locks'), [{ count: LOCK_IDS.length }])
  await letGo()
  t.ok((await Promise.all(waiting)).every(answer => answer !== undefined))
  t.match(await stores.sql('select count(*)::int from locks'), [{ count: 0 }])
  t.same(await faults(stores), [])
})

t.test('nor where each comes alone', async t => {
  const { stores, kept, others, letGo } = await asserted(t)
  const waiting: Promise<unknown>[] = []
  for (const lock of kept) {
    waiting.push(stores.locks.release(nameOf(lock)))
    await turnOfTheLoop()
  }
  for (const lock of others) t.ok(await stores.locks.release(nameOf(lock)))
  await letGo()
  t.ok((await Promise.all(waiting)).every(answer => answer !== undefined))
})

t.test('a crowd under few sessions, which meets itself, is served', async t => {
  const stores = await openStores(t)
  const ids = Array.from({ length: 64 }, () => randomUUID())
  const locks = await Promise.all(
    ids.map(id =>
      granted(
        stores,
        Array.from({ length: 10 }, (_, index) => `${id}-${index}`),
        { session: named(id) },
      ),
    ),
  )
  // of each session one, and then the next: so that batches side by side want the same
  const names = Array.from({ length: 10 }, (_, index) => locks.map(own => nameOf(own[index] as Lock))).flat()
  const touched = await Promise.all(names.map(name => stores.locks.touch(name)))
  t.same(
    touched.map(lock => lock?.id),
    names.map(({ lockId }) => lockId),
  )
  const both = await Promise.all(
    names.flatMap((name, index) => [
      stores.sessions.touch(ids[index % 64] as string, 'alice'),
      stores.locks.release(name),
    ]),
  )
  t.notOk(both.includes(undefined))
  t.same(await faults(stores), [])
  t.match(await stores.sql('select count(*)::int from locks'), [{ count: 0 }])
})

t.test('nor do touches, of locks and of sessions', async t => {
  const { stores, kept, others, letGo } = await asserted(t)
  const dba = new pg.Client({ connectionString: stores.url })
  await dba.connect()
  t.teardown(() => dba.end())
  // a touch goes past an assertion, but not past whoever changes the row
  await letGo()
  await dba.query('begin')
  await dba.query('select from leasehold.sessions where id = $1 for update', [SESSION])
  const waiting = kept.map(lock => stores.locks.touch(nameOf(lock)))
  const waitingSession = stores.sessions.touch(SESSION, 'alice')
  const touched = await Promise.all(others.map(lock => stores.locks.touch(nameOf(lock))))
  t.ok(touched.every(lock => lock !== undefined))
  const sessions = others.map(({ sessionId }) => stores.sessions.touch(sessionId, 'alice'))
  t.same(
    (await Promise.all(sessions)).map(({ kind }) => kind),
    others.map(() => 'live'),
  )
  await dba.query('commit')
  t.same(
    (await Promise.all(waiting)).map(lock => lock?.id),
    kept.map(({ id }) => id),
  )
  t.match(await waitingSession, { kind: 'live', session: { id: SESSION } })
})

t.test('whoever waited is told what has become of it', async t => {
  const { stores, kept, others, letGo } = await asserted(t)
  await letGo()
  const dba = new pg.Client({ connectionString: stores.url })
  await dba.connect()
  t.teardown(() => dba.end())
  await dba.query('begin')
  await dba.query('delete from leasehold.sessions where id = $1', [SESSION])
  const names = [...kept, ...others].map(nameOf)
  const touches = names.map(name => stores.locks.touch(name))
  const sessions = [SESSION, ...others.map(({ sessionId }) => sessionId)].map(id =>
    stores.sessions.touch(id, 'alice'),
  )
  const releases = kept.map(lock => stores.locks.release(nameOf(lock)))
  await Promise.all(touches.slice(kept.length))
  await dba.query('commit')
  t.same(
    (await Promise.all(touches)).map(lock => lock !== undefined),
    [...kept.map(() => false), ...others.map(() => true)],
  )
  t.same(
    (await Promise.all(sessions)).map(({ kind }) => kind),
    ['session_not_found', ...others.map(() => 'live')],
  )
  t.same(
    await Promise.all(releases),
    kept.map(() => undefined),
  )
})
