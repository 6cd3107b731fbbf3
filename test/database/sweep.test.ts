import t from 'tap'
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

/** Sessions that expired a minute ago, each with a lock; every second one is named. */
async function fillExpired(stores: Stores, sessions: number): Promise<void> {
  await stores.sql(
    `with dead as (
       insert into sessions (id, user_name, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
       select gen_random_uuid(), 'ghost', interval '1 minute', n % 2 = 0, true, now() - interval '2 minutes',
         now() - interval '2 minutes', now() - interval '1 minute'
       from generate_series(1, $1) n
       returning id
     )
     insert into locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
     select 'tests', 'ghost', id::text, id, next_fencing_token(), 'ghost', now() - interval '1 minute' from dead`,
    [sessions],
  )
}

t.test('the sweep ends what has expired and nothing else', async t => {
  const stores = await openStores(t)
  const gone = named()
  await granted(stores, ['a', 'b'], { session: gone })
  await granted(stores, 'c')
  await expire(stores)
  const kept = await grantedOne(stores, 'd')
  const first = await stores.sessions.sweep(1, null)
  t.match(first, { sessions: 1, tombstones: 0, next: String }, 'at most as many as asked for')
  t.same(await stores.sessions.sweep(100, first.next), { sessions: 1, tombstones: 0, next: null })
  t.same(await stores.sessions.sweep(100, null), { sessions: 0, tombstones: 0, next: null })
  t.match(await stores.sql('select id from locks'), [{ id: kept.id }])
  t.same(await acquire(stores, 'a', { session: gone }), { kind: 'session_expired' }, 'its tombstone stays')
  await stores.sql("update sessions set ended_at = ended_at - interval '2 hours' where ended_at is not null")
  t.same(await stores.sessions.sweep(100, null), { sessions: 0, tombstones: 1, next: null })
  t.match(await acquire(stores, 'a', { session: gone }), { kind: 'granted' })
  t.same(await faults(stores), [])
})

t.test('a sweep walks through the table once, in steps', async t => {
  const stores = await openStores(t)
  await fillExpired(stores, 1000)
  await granted(stores, 'kept')
  let place: string | null = null
  let swept = 0
  let steps = 0
  do {
    const step = await stores.sessions.sweep(300, place)
    swept += step.sessions
    steps += 1
    if (step.next !== null) t.not(step.next, place, 'each step begins behind the one before')
    place = step.next
  } while (place !== null && steps < 10)
  t.same({ swept, steps }, { swept: 1000, steps: 4 })
  t.match(await stores.sql('select resource_id from locks'), [{ resource_id: 'kept' }])
  t.same(await faults(stores), [])
})

t.test('a step of a sweep reads only its own stretch of a large table', async t => {
  const stores = await openStores(t)
  await stores.sql('alter table sessions set (fillfactor = 10)')
  // some ten rows a page: two stretches
  await stores.sql(
    `insert into sessions (id, user_name, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
     select gen_random_uuid(), 'ghost', interval '1 day', false, true, now(), now(), now() + interval '1 day'
     from generate_series(1, 12000) n`,
  )
  const first = await stores.sessions.sweep(100, null)
  t.match(first, { sessions: 0, tombstones: 0, next: '(1024,0)' })
  await fillExpired(stores, 5)
  t.same(await stores.sessions.sweep(100, null), first, 'what has expired lies behind the first stretch')
  t.same(await stores.sessions.sweep(100, first.next), { sessions: 5, tombstones: 0, next: null })
})

t.test('the sweep waits for nobody, and takes what was locked the next time', async t => {
  const stores = await openStores(t)
  await fillExpired(stores, 3)
  const other = await connectedTo(t, stores.url)
  await other.query('begin')
  await other.query(
    'select from leasehold.sessions where id = (select min(id::text)::uuid from leasehold.sessions) for update',
  )
  t.same(await stores.sessions.sweep(100, null), { sessions: 2, tombstones: 0, next: null })
  await other.query('rollback')
  t.same(await stores.sessions.sweep(100, null), { sessions: 1, tombstones: 0, next: null })
})
