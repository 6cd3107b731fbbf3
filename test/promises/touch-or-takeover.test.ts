import t from 'tap'
import type { AcquireOutcome } from '../../src/locks/acquire.ts'
import { auditIsEmpty } from '../support/audit.ts'
import { acquire, expire, grantedOne, named, openStores, type Stores } from '../support/database.ts'
import { randomFrom, SEED } from '../support/random.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilTrue, untilWaiting } from '../support/waiting.ts'

const RACES = 1200
const LANES = 6

/** The lease that is left when both start: at most about twice what the two take. */
const LONGEST_LEFT_MS = 12

t.test('of a touch and an acquire at the moment of expiry at most one wins', async t => {
  const stores = await openStores(t, { max: 2 * LANES })
  const random = randomFrom(SEED)
  const counts = { touched: 0, taken: 0, both: 0, neither: 0 }
  let left = RACES
  const lane = async (resource: string): Promise<void> => {
    const blocker = await connectedTo(t, stores.url)
    while (left > 0) {
      left -= 1
      const lock = await grantedOne(stores, resource, { holder: 'alice', session: named() })
      await stores.sql(
        `update sessions set expires_at = clock_timestamp() + $2 * interval '1 ms' where id = $1`,
        [lock.sessionId, random() * LONGEST_LEFT_MS],
      )
      // the holder's row is held while both start, so that they go on at the same instant
      await blocker.query('begin')
      await blocker.query('select from leasehold.sessions where id = $1 for update', [lock.sessionId])
      const touch = () => stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
      const take = () => acquire(stores, resource, { holder: 'bob' })
      const touchFirst = random() < 0.5
      const first = touchFirst ? touch() : take()
      const second = touchFirst ? take() : touch()
      await blocker.query('commit')
      const [touched, taken] = (await Promise.all(touchFirst ? [first, second] : [second, first])) as [
        Awaited<ReturnType<typeof touch>>,
        AcquireOutcome,
      ]
      const kept = touched !== undefined
      const lost = taken.kind === 'granted'
      counts[kept ? (lost ? 'both' : 'touched') : lost ? 'taken' : 'neither'] += 1
      if (kept)
        t.equal((await stores.locks.find(lock.resource))?.id, lock.id, 'a touched lock is still there')
      else if (!lost) t.equal((await take()).kind, 'granted', 'what is too late to touch is free at once')
      await stores.sql('delete from locks where resource_id = $1', [resource])
    }
  }
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(`r${number}`)))
  t.comment(`seed ${SEED}: ${RACES} staged races: ${JSON.stringify(counts)}`)
  t.equal(counts.both, 0)
  t.ok(counts.touched > 0 && counts.taken > 0, 'both sides had their chance')
  await auditIsEmpty(t, stores)
})

/** Long enough for a busy machine to get to the wait, short enough to wait for its end. */
const TTL_SECONDS = 1

/** Holds the row of a session locked while `task` starts, until the session has expired; then lets go. */
async function outlast(
  t: Parameters<typeof connectedTo>[0],
  stores: Stores,
  sessionId: string,
  task: () => Promise<unknown>,
): Promise<unknown> {
  const blocker = await connectedTo(t, stores.url)
  await blocker.query('begin')
  await blocker.query('select from leasehold.sessions where id = $1 for update', [sessionId])
  let isOver = false
  const result = task().finally(() => {
    isOver = true
  })
  // one that was too late to wait is over by now
  await Promise.race([untilWaiting(stores, 1, () => isOver), result])
  await untilTrue(
    stores,
    `select expires_at < clock_timestamp() as yes from sessions where id = '${sessionId}'`,
  )
  await blocker.query('commit')
  return result
}

t.test('a touch that waited past the expiry revives nothing', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: { kind: 'implicit', ttlSeconds: TTL_SECONDS } })
  const name = { namespace: 'tests', lockId: lock.id, holder: 'alice' }
  t.equal(await outlast(t, stores, lock.sessionId, () => stores.locks.touch(name)), undefined)
  t.same(
    await stores.sessions.touch(lock.sessionId, 'alice'),
    { kind: 'session_expired' },
    'nor does one that comes later',
  )
})

t.test('a touch that judges before it waits would revive a dead session', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: { kind: 'implicit', ttlSeconds: TTL_SECONDS } })
  const rows = await outlast(t, stores, lock.sessionId, () =>
    stores.sql(
      `update sessions set expires_at = clock_timestamp() + ttl where id = $1 and expires_at > clock_timestamp() returning id`,
      [lock.sessionId],
    ),
  )
  t.same(rows, [{ id: lock.sessionId }], 'the row did not change, so its condition was not looked at again')
})

t.test('an acquire under a session that expires while it waits is refused', async t => {
  const stores = await openStores(t)
  const session = named(undefined, TTL_SECONDS)
  const lock = await grantedOne(stores, 'a', { session })
  const outcome = await outlast(t, stores, lock.sessionId, () => acquire(stores, 'b', { session }))
  t.same(outcome, { kind: 'session_expired' })
})

t.test('a release of a lock that expires while it waits releases nothing', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: { kind: 'implicit', ttlSeconds: TTL_SECONDS } })
  const name = { namespace: 'tests', lockId: lock.id, holder: 'alice' }
  t.equal(await outlast(t, stores, lock.sessionId, () => stores.locks.release(name)), undefined)
})

t.test('whoever ends an expired session looks again under its row lock', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: named() })
  await expire(stores, lock.sessionId)
  const blocker = await connectedTo(t, stores.url)
  await blocker.query('begin')
  await blocker.query(
    `update leasehold.sessions set last_touch = clock_timestamp(), expires_at = clock_timestamp() + ttl where id = $1`,
    [lock.sessionId],
  )
  const taking = acquire(stores, 'a', { holder: 'bob' })
  t.same(await taking, { kind: 'contended' }, 'a touch whose commit is under way is neither held nor free')
  t.match(
    await stores.sessions.sweep(10, null),
    { sessions: 0, tombstones: 0 },
    'and the sweeper passes it by',
  )
  await blocker.query('commit')
  t.match(await acquire(stores, 'a', { holder: 'bob' }), { kind: 'conflict', conflicts: [{ id: lock.id }] })
})
