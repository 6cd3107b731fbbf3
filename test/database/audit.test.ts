import t from 'tap'
import { sweepAll } from '../../src/locks/sweeper.ts'
import { auditIsEmpty } from '../support/audit.ts'
import { putTree } from '../support/catalogue.ts'
import { acquire, expire, granted, grantedOne, named, openStores, type Stores } from '../support/database.ts'
import { connectedTo, type Teardown } from '../support/scratch-database.ts'

const name = (lockId: string, holder = 'alice') => ({ namespace: 'tests', lockId, holder })

/** A bit of everything that can happen to locks. */
async function live(stores: Stores): Promise<void> {
  const lock = await grantedOne(stores, 'released')
  await stores.locks.release(name(lock.id))
  await granted(stores, 'released')
  await granted(stores, ['a', 'b', 'c'], { session: named() })
  await acquire(stores, 'a', { holder: 'bob' })
  await granted(stores, ['a', 'd'], { holder: 'boss', takeover: { reason: 'a test' } })
  await granted(stores, 'sole', { isSole: true, reentry: 'user' })
  await granted(stores, 'other', { isSole: true, reentry: 'user' })
  await granted(stores, 'moved')
  await granted(stores, 'moved', { replacesOwn: true })
  await putTree(stores, 'tree', 1500)
  await granted(stores, 'tree', { expand: 'contents' })
  await granted(stores, 'tree', { expand: 'contents', holder: 'boss', takeover: { reason: 'a test' } })
  const mine = named(undefined, 30, false)
  await granted(stores, ['e', 'f'], { session: mine })
  await stores.sessions.end(mine.id, 'alice')
  await granted(stores, 'e')
  await expire(stores)
  await granted(stores, 'a', { holder: 'carol' })
  await stores.sql(`delete from locks where resource_id = 'released'`)
  await stores.sql(`update sessions set ended_at = now() where user_name = 'carol'`)
  await sweepAll(stores.sessions)
  await granted(stores, ['a', 'b', 'released'], { session: named() })
}

t.test('the audit finds nothing where all is well', async t => {
  const stores = await openStores(t)
  await auditIsEmpty(t, stores)
  await live(stores)
  await auditIsEmpty(t, stores)
})

t.test('the audit asks nothing of what was before the history was complete', async t => {
  const stores = await openStores(t)
  const [held, ended] = await granted(stores, ['held', 'ended'])
  await stores.sql('select set_history(false)')
  await auditIsEmpty(t, stores)
  await granted(stores, 'unseen')
  await stores.locks.release(name(ended?.id ?? ''))
  await granted(stores, 'ended')
  await auditIsEmpty(t, stores)
  await stores.sql('select set_history(true)')
  await auditIsEmpty(t, stores)
  await stores.locks.release(name(held?.id ?? ''))
  await live(stores)
  await auditIsEmpty(t, stores)
})

t.test('the audit asks nothing of a past that was dropped', async t => {
  const stores = await openStores(t)
  await live(stores)
  const lock = await grantedOne(stores, 'long', { session: named(undefined, null) })
  await stores.sql(
    `with past as (select max(e.at) as at from lock_events e), gone as (
       delete from lock_events where at < (select at from past) returning id
     )
     update history set complete_since = at from past where exists (select from gone)`,
  )
  await auditIsEmpty(t, stores)
  await stores.locks.release(name(lock.id))
  await stores.sql('delete from locks')
  await granted(stores, 'long')
  await auditIsEmpty(t, stores)
})

/** As whoever can switch off every rule: no trigger fires and no foreign key holds. */
async function vandal(t: Teardown, stores: Stores) {
  const client = await connectedTo(t, stores.url, 'leasehold')
  await client.query('set session_replication_role = replica')
  return (sql: string) => client.query(sql)
}

const EVENT = `insert into lock_events (at, lock_time, lock_id, fencing_token, session_id, kind, namespace,
  resource_type, resource_id, holder)`

/** What somebody does to a database with one lock, `a`, that is held and one, `b`, that was released. */
const FAULTS: Readonly<Record<string, readonly [sql: string, faults: readonly string[]]>> = {
  'a second grant of a resource that is held': [
    `${EVENT} select at, lock_time, 4711, fencing_token + 1, session_id, 'granted', namespace, resource_type,
       resource_id, holder from lock_events where resource_id = 'a'`,
    ['a grant without an end', 'two locks at once'],
  ],
  'a grant before the one before it has ended': [
    `update lock_events set id = nextval('lock_events_id_seq') where kind = 'released';
     ${EVENT} select at, lock_time, 4711, fencing_token + 1, session_id, k, namespace, resource_type, resource_id, holder
       from lock_events, unnest(array['granted', 'released']) k where resource_id = 'b' and kind = 'granted';
     update lock_events set id = id + 10 where kind = 'released'`,
    ['two locks at once'],
  ],
  'a token that is the same again': [
    `${EVENT} select at, lock_time, 4711, fencing_token, session_id, kind, namespace, resource_type, resource_id, holder
       from lock_events where resource_id = 'b' order by id`,
    ['a token that did not grow'],
  ],
  'a token that goes back': [
    `${EVENT} select at, lock_time, 4711, fencing_token - 1, session_id, kind, namespace, resource_type, resource_id,
       holder from lock_events where resource_id = 'b' order by id`,
    ['a token that did not grow'],
  ],
  'a lock that vanishes': [
    `delete from locks`,
    ['a grant without an end', 'a session without the lock it was made for'],
  ],
  'an end that vanishes': [`delete from lock_events where kind = 'released'`, ['a grant without an end']],
  'a grant that vanishes': [
    `delete from lock_events where kind = 'granted' and resource_id = 'b'`,
    ['an end without a grant'],
  ],
  'a lock that appears': [
    `insert into locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
     select namespace, resource_type, 'c', session_id, fencing_token + 10, holder, clock_timestamp() from locks`,
    ['a lock that the history does not know'],
  ],
  'a lock that is given to somebody else': [
    `update locks set holder = 'bob'`,
    ['a lock of another user than its session', 'a lock that the history does not know'],
  ],
  'a lock with another token': [
    'update locks set fencing_token = fencing_token + 10',
    ['a lock that the history does not know'],
  ],
  'the end of another grant': [
    `update lock_events set fencing_token = fencing_token + 10 where kind = 'released'`,
    ['an end that is not that of its grant'],
  ],
  'an end before the grant': [
    `update lock_events set id = 0 where kind = 'released'`,
    ['a lock that ended before it was granted'],
  ],
  'a lock that ends twice': [
    `insert into lock_events select * from lock_events where kind = 'released'`,
    ['a lock that ended twice'],
  ],
  'a number of a lock that comes twice': [
    `insert into lock_events select * from lock_events where kind = 'granted' and resource_id = 'b'`,
    ['a lock that was granted twice', 'a token that did not grow', 'two locks at once'],
  ],
  'a held lock that has an end': [
    `${EVENT} select at, lock_time, lock_id, fencing_token, session_id, 'released', namespace, resource_type,
       resource_id, holder from lock_events where resource_id = 'a'`,
    ['a lock that is held and has ended'],
  ],
  'a session that vanishes': ['delete from sessions', ['a lock without a session']],
  'a session that ends alone': ['update sessions set ended_at = now()', ['a lock without a session']],
  'an event that nobody knows': [
    `update lock_events set kind = 'lost' where kind = 'released'`,
    ['an event of an unknown kind'],
  ],
  'rows that came from another server': [
    `update lock_events set xid = '18446744073709551000'`,
    ['a history of another server'],
  ],
  'a trigger that is switched off': [
    'alter table locks disable trigger record_ended_locks',
    ['a rule that is switched off'],
  ],
  'all triggers that are switched off': [
    'alter table locks disable trigger user; alter table sessions disable trigger user',
    Array(5).fill('a rule that is switched off'),
  ],
  'a trigger that was dropped': [
    'drop trigger record_granted_locks on locks',
    ['a rule that is switched off'],
  ],
  'a constraint that was dropped': [
    'alter table locks drop constraint locks_resource_key',
    ['a rule that is switched off'],
  ],
}

for (const [what, [sql, faults]] of Object.entries(FAULTS)) {
  t.test(`the audit finds ${what}`, async t => {
    const stores = await openStores(t)
    await granted(stores, 'a', { session: named() })
    const released = await grantedOne(stores, 'b')
    await stores.locks.release(name(released.id))
    await auditIsEmpty(t, stores)
    const run = await vandal(t, stores)
    await run(sql)
    const found = await stores.sql<{ fault: string }>('select * from audit order by fault')
    t.same(
      found.map(row => row.fault),
      faults,
      JSON.stringify(found),
    )
  })
}

t.test('views answer who held what, what was held longest, and what was taken from whom', async t => {
  const stores = await openStores(t)
  const first = await grantedOne(stores, 'a', { client: 'ws-15' })
  await granted(stores, 'a', { holder: 'boss', takeover: { reason: 'ticket 4711' } })
  await granted(stores, 'b', { holder: 'bob', session: named(undefined, null) })
  const periods = await stores.sql(
    `select resource_id as what, holder, client, upper_inf(held) as is_held, isempty(held) as is_empty, ended, ended_by,
       reason, held @> $1::timestamptz as at_once
     from lock_periods order by fencing_token`,
    [first.lockTime],
  )
  const held = { is_held: true, is_empty: false, ended: null, ended_by: null, reason: null, at_once: false }
  t.match(periods, [
    { what: 'a', holder: 'alice', client: 'ws-15', is_held: false, ended: 'taken_over', ended_by: 'boss' },
    { ...held, what: 'a', holder: 'boss' },
    { ...held, what: 'b', holder: 'bob' },
  ])
  const atTheTime = await stores.sql(
    `select holder from lock_periods where held @> (select lock_time + interval '0' from locks
       where resource_id = 'a') order by holder`,
  )
  t.same(atTheTime, [{ holder: 'boss' }])
  await expire(stores)
  const expired = await stores.sql(
    `select upper_inf(held) as is_held, ended from lock_periods where resource_id = 'a' and holder = 'boss'`,
  )
  t.same(expired, [{ is_held: false, ended: 'expired' }], 'dead from its expiry on, swept or not')
  t.match(await stores.sql('select holder, duration, ended from longest_held'), [
    { holder: 'bob', ended: null },
  ])
  t.match(await stores.sql('select kind, taken_from, taken_by, reason from taken_over_this_week'), [
    { kind: 'taken_over', taken_from: 'alice', taken_by: 'boss', reason: 'ticket 4711' },
  ])
})
