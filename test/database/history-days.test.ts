import t from 'tap'
import { granted, grantedOne, openStores, type Stores } from '../support/database.ts'
import { connectedTo } from '../support/scratch-database.ts'

/** The days that have a partition, counted from today. */
async function days(stores: Stores): Promise<readonly number[]> {
  const rows = await stores.sql<{ day: number }>(
    `select to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') - (now() at time zone 'UTC')::date as day
     from pg_inherits
     where inhparent = 'lock_events'::regclass and inhrelid <> 'lock_events_default'::regclass
     order by 1`,
  )
  return rows.map(row => row.day)
}

/** A partition of the past with one grant and its release in it. */
async function addPast(stores: Stores, daysAgo: number): Promise<void> {
  const [row] = await stores.sql<{ day: string; start: string; end: string }>(
    `select to_char(day, 'YYYYMMDD') as day, to_char(day, 'YYYY-MM-DD 00:00:00+00') as start,
       to_char(day + 1, 'YYYY-MM-DD 00:00:00+00') as end
     from (select (now() at time zone 'UTC')::date - $1::int as day) today`,
    [daysAgo],
  )
  await stores.sql(
    `create table lock_events_${row?.day} partition of lock_events for values from ('${row?.start}') to ('${row?.end}')`,
  )
  await addEvents(stores, `timestamptz '${row?.start}' + interval '1 hour'`)
}

async function addEvents(stores: Stores, at: string): Promise<void> {
  await stores.sql(
    `insert into lock_events
       (at, lock_time, lock_id, fencing_token, session_id, kind, namespace, resource_type, resource_id, holder)
     select ${at}, ${at}, 4711, 1, gen_random_uuid(), kind, 'tests', 'thing', 'old', 'alice'
     from unnest(array['granted', 'released']) kind`,
  )
}

async function keep(stores: Stores, count = 30): Promise<number | undefined> {
  const [row] = await stores.sql<{ done: number }>('select keep_history($1) as done', [count])
  return row?.done
}

const countOf = async (stores: Stores) =>
  (await stores.sql<{ count: number }>('select count(*)::int from lock_events'))[0]?.count

const completeSince = async (stores: Stores) =>
  (
    await stores.sql<{ ago: number }>(
      `select (now() at time zone 'UTC')::date - (complete_since at time zone 'UTC')::date as ago from history`,
    )
  )[0]?.ago

t.test('there are partitions for today and the days to come', async t => {
  const stores = await openStores(t)
  t.same(await days(stores), [0, 1, 2, 3])
  await stores.sql(
    `select set_config('datestyle', 'SQL, DMY', false), set_config('timezone', 'Asia/Tokyo', false)`,
  )
  const name = await stores.sql<{ name: string }>(
    `select max(inhrelid::regclass::text) as name from pg_inherits where inhparent = 'lock_events'::regclass
       and inhrelid <> 'lock_events_default'::regclass`,
  )
  await stores.sql(`drop table ${name[0]?.name}`)
  t.equal(await keep(stores), 1)
  t.equal(await keep(stores), 0)
  t.same(await days(stores), [0, 1, 2, 3])
})

t.test('an event has a place on a day that has none, and the day after gets one', async t => {
  const stores = await openStores(t)
  for (const day of await stores.sql<{ name: string }>(
    `select inhrelid::regclass as name from pg_inherits where inhparent = 'lock_events'::regclass
       and inhrelid <> 'lock_events_default'::regclass`,
  )) {
    await stores.sql(`drop table ${day.name}`)
  }
  const lock = await grantedOne(stores, 'a')
  await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  t.same(await stores.sql('select kind from lock_events_default order by id'), [
    { kind: 'granted' },
    { kind: 'released' },
  ])
  t.equal(await keep(stores), 1)
  t.equal(await keep(stores), 0)
  t.same(await days(stores), [1, 2, 3], 'today stays where it began')
  await granted(stores, 'b')
  t.equal(await countOf(stores), 3)
})

t.test('days past the retention are dropped, one after the other, and nothing else', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a')
  const started = await completeSince(stores)
  for (const daysAgo of [40, 31, 30, 3]) await addPast(stores, daysAgo)
  await addEvents(stores, `now() - interval '50 days'`)
  await addEvents(stores, `now() - interval '20 days'`)
  await stores.sql(`update history set complete_since = now() - interval '45 days'`)
  t.equal(started, 0)
  t.equal(await countOf(stores), 1 + 8 + 4)
  t.equal(await keep(stores), 1)
  t.same(await days(stores), [-31, -30, -3, 0, 1, 2, 3])
  t.equal(await completeSince(stores), 39, 'from the end of the day that went')
  t.equal(await keep(stores), 1)
  t.equal(await keep(stores), 0)
  t.same(await days(stores), [-30, -3, 0, 1, 2, 3], 'some of the thirtieth day are not that old yet')
  t.equal(await completeSince(stores), 30)
  t.equal(await countOf(stores), 1 + 4 + 2)
  t.equal(await keep(stores, 1), 1)
  t.equal(await keep(stores, 1), 1)
  t.equal(await keep(stores, 1), 0)
  t.same(await days(stores), [0, 1, 2, 3])
  await t.rejects(keep(stores, 0), { code: '22023' }, 'nobody can have the history dropped as it is written')
})

t.test('while somebody reads the history, nothing is dropped and nobody waits', async t => {
  const stores = await openStores(t, { lockTimeoutMs: 50 })
  await addPast(stores, 40)
  const reader = await connectedTo(t, stores.url, 'leasehold')
  await reader.query('begin')
  await reader.query('select from lock_events')
  let done = false
  const keeping = keep(stores).finally(() => {
    done = true
  })
  let pairs = 0
  while (!done || pairs === 0) {
    const lock = await grantedOne(stores, `a${pairs}`)
    await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
    pairs += 1
  }
  t.equal(await keeping, 0)
  t.same(await days(stores), [-40, 0, 1, 2, 3])
  t.ok(pairs > 0, `${pairs} acquires and releases went through within 50 ms each`)
  await reader.query('commit')
  t.equal(await keep(stores), 1)
})

t.test('under load a day is dropped all the same', async t => {
  const stores = await openStores(t)
  await addPast(stores, 40)
  await addPast(stores, 41)
  let dropped = 0
  let slowest = 0
  const work = async (number: number) => {
    for (let round = 0; dropped < 2; round += 1) {
      const began = performance.now()
      const lock = await grantedOne(stores, `${number} ${round}`)
      await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
      slowest = Math.max(slowest, performance.now() - began)
    }
  }
  const workers = [1, 2, 3, 4].map(work)
  while (dropped < 2) dropped += (await keep(stores)) ?? 0
  await Promise.all(workers)
  t.same(await days(stores), [0, 1, 2, 3])
  t.comment(`the slowest acquire and release took ${Math.round(slowest)} ms`)
})

t.test('of two who tidy the history at once one does nothing', async t => {
  const stores = await openStores(t)
  await addPast(stores, 40)
  const other = await connectedTo(t, stores.url, 'leasehold')
  await other.query('begin')
  const first = await other.query('select keep_history(30) as done')
  t.same(first.rows, [{ done: 1 }])
  t.equal(await keep(stores), 0)
  await other.query('commit')
  t.same(await days(stores), [0, 1, 2, 3])
})
