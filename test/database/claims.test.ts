import t, { type Test } from 'tap'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import {
  acquire,
  expire,
  faults,
  freshDatabase,
  granted,
  grantedOne,
  named,
  openStores,
  request,
} from '../support/database.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

/** Claims a resource of the tests in a transaction that stays open. */
async function claim(t: Test, url: string, id: string) {
  const claimer = await connectedTo(t, url)
  await claimer.query('begin')
  const { rows } = await claimer.query(`select leasehold.claim_resource('tests', 'thing', $1) as got`, [id])
  t.equal(rows[0].got, true)
  return claimer
}

t.test('whoever fails to claim is contended, whatever it asked for, and nothing is left behind', async t => {
  const stores = await openStores(t)
  const claimer = await claim(t, stores.url, 'b')
  const root = { holder: 'root', takeover: { reason: 'test' } }
  for (const outcome of [
    await acquire(stores, 'b'),
    await acquire(stores, 'b', { session: named() }),
    await acquire(stores, ['a', 'b']),
    await acquire(stores, 'b', root),
    await acquire(stores, ['a', 'b'], root),
  ]) {
    t.same(outcome, { kind: 'contended' })
  }
  t.same(await stores.sql('select id from locks union all select null from sessions'), [])
  t.equal((await acquire(stores, 'c')).kind, 'granted', 'others go on')
  await claimer.query('commit')
  t.equal((await acquire(stores, ['a', 'b'])).kind, 'granted')
})

t.test('in a set that a session holds in part, a claim that failed counts for what is missing', async t => {
  const stores = await openStores(t)
  const session = named()
  await granted(stores, 'a', { session })
  await claim(t, stores.url, 'b')
  t.same(await acquire(stores, ['a', 'b'], { session }), { kind: 'contended' })
  t.match(await stores.sql('select resource_id from locks'), [{ resource_id: 'a' }])
})

t.test('what a session holds already it need not claim', async t => {
  const stores = await openStores(t)
  const session = named()
  await granted(stores, 'a', { session })
  await claim(t, stores.url, 'a')
  t.match(await acquire(stores, ['a', 'c'], { session }), {
    grants: [{ existing: true }, { existing: false }],
  })
})

t.test('a held resource is refused at once while somebody else claims it', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a')
  await claim(t, stores.url, 'a')
  t.equal((await acquire(stores, 'a', { holder: 'bob' })).kind, 'conflict')
  t.same(stores.retries, [])
})

t.test('one contended request of a batch does not hold up the others', async t => {
  const stores = await openStores(t)
  await claim(t, stores.url, 'b')
  const outcomes = await stores.locks.acquire([request('a'), request('b'), request('c')])
  t.same(
    outcomes.map(outcome => outcome.kind),
    ['granted', 'contended', 'granted'],
  )
})

t.test(
  'a row that the snapshot does not show makes the statement repeat, and no set is taken in part',
  async t => {
    const stores = await openStores(t)
    const inserter = await connectedTo(t, stores.url)
    // what only a hand that ignores the rules does: an insert without a claim, not yet committed
    const [session] = await stores.sql<{ id: string }>(
      `insert into sessions (id, user_name, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
     values (gen_random_uuid(), 'dba', null, true, false, now(), now(), 'infinity') returning id`,
    )
    await inserter.query('begin')
    await inserter.query(
      `insert into leasehold.locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
     values ('tests', 'thing', 'b', $1, leasehold.next_fencing_token(), 'dba', now())`,
      [session?.id],
    )
    const set = acquire(stores, ['a', 'b', 'c'])
    await stores.sql('select 1')
    await inserter.query('commit')
    t.match(await set, { kind: 'conflict', conflicts: [{ holder: 'dba' }] })
    t.match(await stores.sql('select resource_id from locks'), [{ resource_id: 'b' }])
    t.same(await faults(stores), [])
  },
)

t.test('trouble with one of many requests is not said to have changed nothing', async t => {
  const stores = await openStores(t, { lockTimeoutMs: 50 })
  await granted(stores, 'b')
  await expire(stores)
  const dba = await connectedTo(t, stores.url)
  await dba.query('begin')
  await dba.query('select from leasehold.locks for update')
  const troubleWith = (...ids: string[]) =>
    stores.locks.acquire(ids.map(id => request(id))).catch((error: unknown) => error)
  t.match(await troubleWith('b'), { outcome: 'unchanged' })
  t.match(await troubleWith('a', 'b'), { outcome: 'unknown' })
  t.match(await stores.sql(`select id from locks where resource_id = 'a'`), [{}], 'granted all the same')
})

t.test('claims of two schemas in one database do not meet', async t => {
  const url = await freshDatabase(t)
  const stores = await openStores(t, { url })
  await migrateUp({ url, schema: 'other' })
  const claimer = await connectedTo(t, url)
  await claimer.query('begin')
  await claimer.query(`select other.claim_resource('tests', 'thing', 'a')`)
  t.equal((await acquire(stores, 'a')).kind, 'granted')
})

t.test('more requests than one statement takes are several statements', async t => {
  const stores = await openStores(t)
  const outcomes = await stores.locks.acquire(Array.from({ length: 200 }, (_, index) => request(`r${index}`)))
  t.same(new Set(outcomes.map(outcome => outcome.kind)), new Set(['granted']))
  const [row] = await stores.sql('select count(distinct xmin::text)::int as transactions from locks')
  t.same(row, { transactions: 4 })
})

t.test('while a namespace is claimed nothing of it is granted, and everything else goes on', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'held')
  const claimer = await connectedTo(t, stores.url)
  await claimer.query('begin')
  await claimer.query(`select leasehold.claim_namespace('tests')`)
  const root = { holder: 'root', takeover: { reason: 'test' } }
  for (const outcome of [
    await acquire(stores, 'a'),
    await acquire(stores, ['a', 'b'], { session: named() }),
    await acquire(stores, 'held', root),
  ]) {
    t.same(outcome, { kind: 'contended' })
  }
  t.equal((await acquire(stores, 'held')).kind, 'conflict', 'what is held is said to be held')
  const name = { namespace: 'tests', lockId: lock.id, holder: 'alice' }
  t.ok(await stores.locks.touch(name))
  t.ok(await stores.locks.release(name))
  const elsewhere = { namespace: 'elsewhere', type: 'thing', id: 'a' }
  const [outcome] = await stores.locks.acquire([{ ...request([]), resources: [elsewhere] }])
  t.equal(outcome?.kind, 'granted')
  await claimer.query('commit')
  t.equal((await acquire(stores, 'a')).kind, 'granted')
})

t.test(
  'a namespace is claimed as soon as the acquires under way are done, and before later ones',
  async t => {
    const stores = await openStores(t)
    const first = await claim(t, stores.url, 'a')
    const second = await claim(t, stores.url, 'b')
    const claimer = await connectedTo(t, stores.url)
    await claimer.query('begin')
    const claimed = claimer.query(`select leasehold.claim_namespace('tests') as got`)
    await untilWaiting(stores, 1)
    t.same(await acquire(stores, 'c'), { kind: 'contended' }, 'whoever comes later comes again')
    await first.query('commit')
    await second.query('commit')
    t.same((await claimed).rows, [{ got: true }])
  },
)

t.test('the claim of a namespace is never that of a resource', async t => {
  const stores = await openStores(t)
  const claimer = await connectedTo(t, stores.url)
  await claimer.query('begin')
  await claimer.query(`select leasehold.claim_namespace('tests' || chr(31) || 'thing' || chr(31) || 'a')`)
  t.equal((await acquire(stores, 'a')).kind, 'granted')
})
