import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { AcquireOutcome } from '../../src/locks/acquire.ts'
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
import { randomFrom, SEED } from '../support/random.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

/** Sole locks, and what others do while one is asked for. */

const SOLE = { isSole: true, reentry: 'user', session: { kind: 'implicit', ttlSeconds: 30 } } as const

const ROUNDS = 25
const CLIENTS = 6

async function held(stores: Stores): Promise<string[]> {
  const rows = await stores.sql<{ held: string }>(
    `select resource_id || ' ' || holder as held from held_locks order by 1`,
  )
  return rows.map(row => row.held)
}

/** Has `meanwhile` done to the row of a session on which a sole acquire of `id` by alice waits. */
async function acquireWhile(
  t: Parameters<typeof connectedTo>[0],
  stores: Stores,
  sessionId: string,
  id: string,
  meanwhile: (dba: Awaited<ReturnType<typeof connectedTo>>) => Promise<unknown>,
): Promise<AcquireOutcome> {
  const dba = await connectedTo(t, stores.url, 'leasehold')
  await dba.query('begin')
  await dba.query('select from sessions where id = $1 for update', [sessionId])
  const outcome = acquire(stores, id, SOLE)
  await untilWaiting(stores, 1)
  await meanwhile(dba)
  await dba.query('commit')
  return outcome
}

t.test('a lock whose session ran out while its holder asked again is not revived', async t => {
  const stores = await openStores(t)
  const first = await grantedOne(stores, 'a', SOLE)
  const outcome = await acquireWhile(t, stores, first.sessionId, 'a', dba =>
    dba.query(
      `update sessions set started = started - interval '1 day', last_touch = last_touch - interval '1 day',
         expires_at = expires_at - interval '1 day' where id = $1`,
      [first.sessionId],
    ),
  )
  t.match(outcome, { kind: 'granted', grants: [{ existing: false }] })
  t.not(outcome.kind === 'granted' && outcome.grants[0]?.lock.id, first.id)
  t.same(await held(stores), ['a alice'])
  t.same(await faults(stores), [])
})

t.test('a lock whose session was ended while its holder asked again is granted anew', async t => {
  const stores = await openStores(t)
  const session = named(randomUUID(), 30, false)
  const first = await grantedOne(stores, 'a', { session })
  const outcome = await acquireWhile(t, stores, session.id, 'a', dba =>
    dba.query('update sessions set ended_at = clock_timestamp() where id = $1', [session.id]),
  )
  t.match(outcome, { kind: 'granted', grants: [{ existing: false }] })
  t.not(outcome.kind === 'granted' && outcome.grants[0]?.lock.id, first.id)
  t.same(await faults(stores), [])
})

t.test('an earlier lock that ends while another is asked for is no hindrance', async t => {
  for (const how of [
    'delete from sessions where id = $1',
    'update sessions set expires_at = last_touch where id = $1',
  ]) {
    const stores = await openStores(t)
    const first = await grantedOne(stores, 'a', SOLE)
    const outcome = await acquireWhile(t, stores, first.sessionId, 'b', dba =>
      dba.query(how, [first.sessionId]),
    )
    t.equal(outcome.kind, 'granted', how)
    t.same(await held(stores), ['b alice'])
    t.same(await faults(stores), [])
  }
})

t.test('an earlier lock that changes hands while another is asked for stays with its new holder', async t => {
  const stores = await openStores(t)
  const first = await grantedOne(stores, 'a', SOLE)
  const dba = await connectedTo(t, stores.url, 'leasehold')
  await dba.query('begin')
  await dba.query('select from sessions where id = $1 for update', [first.sessionId])
  const taken = acquire(stores, 'a', { holder: 'root', takeover: { reason: 'test' } })
  await untilWaiting(stores, 1)
  const outcome = acquire(stores, 'b', SOLE)
  await untilWaiting(stores, 2)
  await dba.query('commit')
  t.equal((await taken).kind, 'granted')
  t.equal((await outcome).kind, 'granted')
  t.same(await held(stores), ['a root', 'b alice'])
  t.same(await faults(stores), [])
})

t.test('what was given up is back where the new lock turns out to be taken', async t => {
  const stores = await openStores(t)
  const first = await grantedOne(stores, 'a', SOLE)
  const bob = named()
  await grantedOne(stores, 'other', { holder: 'bob', session: bob })
  // by hand and without a claim, so that the statement that waits can meet it: its snapshot is older
  const outcome = await acquireWhile(t, stores, first.sessionId, 'b', () =>
    stores.sql(
      `insert into locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
       values ('tests', 'thing', 'b', $1, next_fencing_token(), 'bob', now())`,
      [bob.id],
    ),
  )
  t.match(outcome, { kind: 'conflict', conflicts: [{ holder: 'bob' }] })
  t.same(stores.retries, ['partial_set'], 'undone once, then refused')
  t.same(await held(stores), ['a alice', 'b bob', 'other bob'])
  t.match(await acquire(stores, 'a', SOLE), { kind: 'granted', grants: [{ lock: { id: first.id } }] })
})

t.test('what somebody else is at is not granted, and nothing is given up for it', async t => {
  const stores = await openStores(t)
  await grantedOne(stores, 'a', SOLE)
  const other = await connectedTo(t, stores.url, 'leasehold')
  await other.query('begin')
  await other.query('select claim_resource($1, $2, $3)', ['tests', 'thing', 'b'])
  t.same(await acquire(stores, 'b', SOLE), { kind: 'contended' })
  t.same(await acquire(stores, 'b', { ...SOLE, holder: 'carol' }), { kind: 'contended' })
  t.same(await held(stores), ['a alice'])
  t.match(await acquire(stores, 'a', SOLE), { kind: 'granted', grants: [{ existing: true }] })
  await other.query('commit')
  t.equal((await acquire(stores, 'b', SOLE)).kind, 'granted')
})

t.test("a lock of its own that has run out is in nobody's way", async t => {
  const stores = await openStores(t)
  const first = await grantedOne(stores, 'a', SOLE)
  await expire(stores)
  const second = await grantedOne(stores, 'a', SOLE)
  t.ok(second.fencingToken > first.fencingToken)
  t.same(await faults(stores), [])
})

t.test('of several sole locks that are asked for together, one is left to each holder', async t => {
  const stores = await openStores(t)
  const outcomes = await stores.locks.acquire([
    request('a', SOLE),
    request('b', { ...SOLE, holder: 'bob' }),
    request('c', SOLE),
  ])
  t.same(
    outcomes.map(({ kind }) => kind),
    ['granted', 'granted', 'granted'],
  )
  const left = await held(stores)
  t.equal(left.length, 2)
  t.same(left.filter(lock => lock === 'b bob').length, 1)
  t.ok(left.includes('a alice') !== left.includes('c alice'), left.join())
  t.same(await faults(stores), [])
})

t.test('the lock that a user is left with is one that no later grant has replaced', async t => {
  const stores = await openStores(t)
  const second = await openStores(t, { url: stores.url })
  const random = randomFrom(SEED)
  t.comment(`seed ${SEED}`)
  for (let round = 0; round < ROUNDS; round += 1) {
    const grants: { id: string; asked: number; answered: number }[] = []
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        for (let again = 0; again < 3; again += 1) {
          const asked = performance.now()
          const outcome = await acquire(
            client % 2 === 0 ? stores : second,
            `r${Math.floor(random() * 4)}`,
            SOLE,
          )
          const id = outcome.kind === 'granted' ? outcome.grants[0]?.lock.id : undefined
          if (id !== undefined) grants.push({ id, asked, answered: performance.now() })
          else if (outcome.kind !== 'contended') t.fail(outcome.kind)
        }
      }),
    )
    const left = await stores.sql<{ id: string }>('select id::text from held_locks')
    if (left.length !== 1) t.fail(`${left.length} locks are left`)
    const last = Math.max(...grants.filter(({ id }) => id === left[0]?.id).map(({ answered }) => answered))
    const later = grants.filter(({ id, asked }) => id !== left[0]?.id && asked > last)
    if (last === -Infinity || later.length > 0)
      t.fail(`lock ${left[0]?.id} is left of ${JSON.stringify(grants)}`)
  }
  t.same(await faults(stores), [])
})
