import { randomUUID } from 'node:crypto'
import t from 'tap'
import { acquireOneSql } from '../../src/database/statements/acquire-one.ts'
import { releaseSql } from '../../src/database/statements/release.ts'
import { sweepAll } from '../../src/locks/sweeper.ts'
import { putTree } from '../support/catalogue.ts'
import {
  acquire,
  expire,
  faults,
  granted,
  grantedOne,
  named,
  openStores,
  request,
  type Stores,
} from '../support/database.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

interface EventRow {
  readonly kind: string
  readonly what: string
  readonly holder: string
  readonly client: string | null
  readonly by: string | null
  readonly reason: string | null
}

/** The history, the oldest first. */
function events(stores: Stores): Promise<readonly EventRow[]> {
  return stores.sql<EventRow>(
    `select kind, resource_id as what, holder, client, ended_by as by, reason from lock_events order by id`,
  )
}

/** How the locks of these resources ended, by resource. */
async function ends(stores: Stores): Promise<Readonly<Record<string, Partial<EventRow>>>> {
  const rows = (await events(stores)).filter(({ kind }) => kind !== 'granted')
  return Object.fromEntries(rows.map(({ what, ...row }) => [what, row]))
}

/** Grants and ends that do not go together: there must be none. */
function unpaired(stores: Stores) {
  return stores.sql(
    `select lock_id, string_agg(kind, ', ' order by e.id) as kinds
     from lock_events e
     group by lock_id
     having count(*) filter (where kind = 'granted') <> 1
       or count(*) <> case when exists (select from locks l where l.id = lock_id) then 1 else 2 end
       or count(distinct (fencing_token, session_id, namespace, resource_type, resource_id, holder, lock_time)) <> 1`,
  )
}

const BY_ALICE = { kind: 'released', holder: 'alice', by: 'alice', reason: null }
const FORCE = { by: 'root', reason: 'ticket 4711' }

const name = (lock: { id: string } | undefined, holder = 'alice') => ({
  namespace: 'tests',
  lockId: lock?.id ?? '',
  holder,
})

t.test('a grant and its release are in the history, with whatever tells them from others', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { client: 'ws-15' })
  await stores.locks.release(name(lock))
  const rows = await stores.sql(
    `select id::int, kind, lock_id::text, fencing_token::float8, session_id, namespace, resource_type, resource_id,
       holder, client, lock_time, at = lock_time as at_once, at > lock_time as later, ended_by, reason, expired_at,
       tableoid::regclass::text ~ '^lock_events_\\d{8}$' as in_its_day
     from lock_events order by id`,
  )
  const same = {
    lock_id: lock.id,
    fencing_token: lock.fencingToken,
    session_id: lock.sessionId,
    namespace: 'tests',
    resource_type: 'thing',
    resource_id: 'a',
    holder: 'alice',
    client: 'ws-15',
    lock_time: lock.lockTime,
    reason: null,
    expired_at: null,
    in_its_day: true,
  }
  t.same(rows, [
    { ...same, id: 1, kind: 'granted', at_once: true, later: false, ended_by: null },
    { ...same, id: 2, kind: 'released', at_once: false, later: true, ended_by: 'alice' },
  ])
})

t.test('every way to be granted a lock is in the history', async t => {
  const stores = await openStores(t)
  await granted(stores, 'lone')
  await granted(stores, 'named', { session: named() })
  await granted(stores, ['set', 'of', 'three'])
  await stores.locks.acquire(['many', 'at', 'once'].map(id => request(id)))
  await putTree(stores, 'tree', 3)
  await granted(stores, 'tree', { expand: 'contents' })
  await putTree(stores, 'large', 1500)
  await granted(stores, 'large', { expand: 'contents' })
  await granted(stores, 'sole', { isSole: true, reentry: 'user' })
  t.equal((await events(stores)).length, 1 + 1 + 3 + 3 + 4 + 1501 + 1)
  t.same(await unpaired(stores), [])
})

t.test('every way to release a lock is in the history, and who did it', async t => {
  const stores = await openStores(t)
  const session = named(undefined, 30, false)
  const locks = await granted(stores, ['a', 'b', 'c', 'd', 'e', 'f'], { session })
  const bobs = await granted(stores, ['g', 'h'], { holder: 'bob', client: 'ws-2' })
  await stores.locks.release(name(locks[0]))
  await Promise.all([1, 2].map(index => stores.locks.release(name(locks[index]))))
  const resources = [{ type: 'thing', id: 'd' }]
  const choice = { namespace: 'tests', which: { kind: 'resources', resources } } as const
  await stores.locks.releaseSet({ ...choice, holder: 'alice' })
  await stores.locks.forceRelease(name(locks[4]), FORCE)
  await stores.locks.forceRelease(name(locks[5]), { by: 'alice', reason: 'her own' })
  const mine = await grantedOne(stores, 'i', { holder: 'root' })
  t.ok(mine)
  await stores.locks.releaseSet({ namespace: 'tests', which: { kind: 'all' }, holder: null, force: FORCE })
  const ofAlice = { ...BY_ALICE, client: null }
  const forced = { kind: 'forced', by: 'root', reason: 'ticket 4711' }
  t.same(await ends(stores), {
    a: ofAlice,
    b: ofAlice,
    c: ofAlice,
    d: ofAlice,
    e: { ...forced, holder: 'alice', client: null },
    f: { ...ofAlice, reason: 'her own' },
    g: { ...forced, holder: 'bob', client: 'ws-2' },
    h: { ...forced, holder: 'bob', client: 'ws-2' },
    i: { kind: 'released', holder: 'root', client: null, by: 'root', reason: 'ticket 4711' },
  })
  t.same(await unpaired(stores), [])
  t.equal(bobs.length, 2)
})

t.test('a lock that expired says when, whoever clears it away', async t => {
  const stores = await openStores(t)
  await granted(stores, ['a', 'b'], { client: 'ws-15' })
  await granted(stores, ['c', 'd'], { session: named(), client: 'ws-16' })
  await granted(stores, 'e', { session: named(undefined, 30, false) })
  await expire(stores)
  const before = await stores.sql<{ id: string; at: Date }>(
    'select l.resource_id as id, s.expires_at as at from locks l join sessions s on s.id = l.session_id order by 1',
  )
  await granted(stores, 'a', { holder: 'bob' })
  await granted(stores, 'c', { holder: 'bob' })
  await sweepAll(stores.sessions)
  const expired = { kind: 'expired', holder: 'alice', by: null, reason: null }
  t.same(await ends(stores), {
    a: { ...expired, client: 'ws-15' },
    b: { ...expired, client: 'ws-15' },
    c: { ...expired, client: 'ws-16' },
    d: { ...expired, client: 'ws-16' },
    e: { ...expired, client: null },
  })
  const after = await stores.sql(
    `select resource_id as id, expired_at as at from lock_events where kind = 'expired' order by 1`,
  )
  t.same(after, before, 'they were dead from then on')
  t.same(await unpaired(stores), [])
  t.same(await faults(stores), [])
})

t.test('locks that end with their session say who ended it', async t => {
  const stores = await openStores(t)
  const own = named(undefined, 30, false)
  const other = named()
  await granted(stores, ['a', 'b'], { session: own, client: 'ws-15' })
  await granted(stores, 'c', { session: other })
  const implicit = await grantedOne(stores, 'd')
  await stores.sessions.end(own.id, 'alice')
  await stores.sessions.end(other.id, null, 'root')
  await stores.sessions.end(implicit.sessionId, 'alice')
  const ended = { kind: 'session_ended', holder: 'alice', reason: null }
  t.same(await ends(stores), {
    a: { ...ended, client: 'ws-15', by: 'alice' },
    b: { ...ended, client: 'ws-15', by: 'alice' },
    c: { ...ended, client: null, by: 'root' },
    d: { ...ended, client: null, by: 'alice' },
  })
  t.same(await stores.sql('select from sessions where id = $1', [implicit.sessionId]), [], 'it is gone')
  t.same(await unpaired(stores), [])
})

t.test('a takeover ends one lock and grants another, in this order', async t => {
  const stores = await openStores(t)
  await granted(stores, ['a', 'b'], { client: 'ws-15' })
  await granted(stores, ['b', 'a', 'c'], { holder: 'boss', takeover: { reason: 'ticket 4711' } })
  const all = await events(stores)
  const [a, b] = ['a', 'b'].map(id => all.filter(({ what }) => what === id))
  t.match(a, [{ kind: 'granted' }, { kind: 'taken_over' }, { kind: 'granted', holder: 'boss' }])
  t.match(b, [{ kind: 'granted' }, { kind: 'taken_over' }, { kind: 'granted', holder: 'boss' }])
  const taken = { kind: 'taken_over', holder: 'alice', client: 'ws-15', by: 'boss', reason: 'ticket 4711' }
  t.same(await ends(stores), { a: taken, b: taken })
  t.same(await unpaired(stores), [])
})

t.test('a takeover of a large set says why, lock by lock', async t => {
  const stores = await openStores(t)
  await putTree(stores, 'root', 1500)
  await granted(stores, ['root', 'root/0'])
  await granted(stores, 'root', { expand: 'contents', holder: 'boss', takeover: { reason: 'ticket 4711' } })
  const taken = { kind: 'taken_over', holder: 'alice', client: null, by: 'boss', reason: 'ticket 4711' }
  t.same(await ends(stores), { root: taken, 'root/0': taken })
  t.same(await unpaired(stores), [])
})

t.test('a lock that moves to another session of its user was taken over by himself', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a', { client: 'ws-15' })
  await granted(stores, 'a', { replacesOwn: true, client: 'ws-16' })
  t.same(await ends(stores), {
    a: { kind: 'taken_over', holder: 'alice', client: 'ws-15', by: 'alice', reason: null },
  })
  t.same(await unpaired(stores), [])
})

t.test('a lock that is given up for another one was released by its holder', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a', { isSole: true, reentry: 'user', client: 'ws-15' })
  await granted(stores, 'b', { isSole: true, reentry: 'user', client: 'ws-15' })
  t.same(await ends(stores), { a: { ...BY_ALICE, client: 'ws-15' } })
  t.same(await unpaired(stores), [])
})

t.test('what is done by hand is in the history too, with the role that did it', async t => {
  const stores = await openStores(t)
  const [user] = await stores.sql<{ name: string }>('select session_user as name')
  const [lock] = await granted(stores, ['bare', 'row', 'other'], { session: named(), client: 'ws-15' })
  await granted(stores, 'tombstone', { session: named(), client: 'ws-15' })
  await granted(stores, 'implicit', { client: 'ws-15' })
  await granted(stores, 'cut', { client: 'ws-15' })
  await stores.sql('delete from locks where id = $1', [lock?.id])
  await stores.sql('delete from sessions where id = $1', [lock?.sessionId])
  await stores.sql(
    `update sessions s set ended_at = now() from locks l
     where l.session_id = s.id and l.resource_id in ('tombstone', 'implicit')`,
  )
  await stores.sql('truncate locks')
  const deleted = { kind: 'deleted', holder: 'alice', client: 'ws-15', by: user?.name, reason: null }
  t.same(await ends(stores), {
    bare: deleted,
    row: { ...deleted, client: null },
    other: { ...deleted, client: null },
    tombstone: deleted,
    implicit: deleted,
    cut: deleted,
  })
  t.same(await unpaired(stores), [])
  t.match(await stores.sql('select from sessions where ended_at is not null'), { length: 2 })
})

t.test('whoever deletes by hand can say why', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a')
  const dba = await connectedTo(t, stores.url, 'leasehold')
  await dba.query('begin')
  await dba.query(`set local lock_events.why = '{"reason": "ticket 4711"}'`)
  await dba.query('delete from locks')
  await dba.query('commit')
  t.match(await ends(stores), { a: { kind: 'deleted', reason: 'ticket 4711' } })
  await granted(stores, 'b')
  await dba.query('delete from locks')
  t.match(await ends(stores), { b: { kind: 'deleted', reason: null } }, 'it was for that transaction')
})

t.test('what comes to nothing leaves no trace, and not even a commit', async t => {
  const stores = await openStores(t)
  await granted(stores, ['a', 'b'])
  const before = await events(stores)
  const refused = await connectedTo(t, stores.url)
  await refused.query('begin')
  const { rows } = await refused.query(acquireOneSql('leasehold'), [
    'tests',
    'thing',
    'a',
    randomUUID(),
    'bob',
    null,
    30,
    null,
    '{}',
  ])
  t.match(rows, [{ state: 'conflict' }])
  const { rowCount } = await refused.query(releaseSql('leasehold', { waits: true }), ['4711', 'tests', 'bob'])
  t.equal(rowCount, 0)
  const number = await refused.query('select pg_current_xact_id_if_assigned() as xid')
  t.same(number.rows, [{ xid: null }], 'there is nothing to commit')
  await refused.query('rollback')
  t.match(await acquire(stores, ['c', 'a'], { holder: 'bob' }), { kind: 'conflict' })
  const dba = await connectedTo(t, stores.url, 'leasehold')
  await dba.query('begin; delete from locks; rollback')
  t.same(await events(stores), before)
})

t.test('a lock that is granted while its session is being ended is in the history as all others', async t => {
  const stores = await openStores(t)
  const session = named(undefined, 30, false)
  await granted(stores, 'a', { session })
  const blocker = await connectedTo(t, stores.url, 'leasehold')
  await blocker.query('begin')
  await blocker.query('select from sessions for no key update')
  const adding = acquire(stores, 'b', { session })
  await untilWaiting(stores, 1)
  const ending = stores.sessions.end(session.id, 'alice')
  await untilWaiting(stores, 2)
  await blocker.query('commit')
  t.match(await adding, { kind: 'granted' })
  t.equal(await ending, true)
  const ended = { kind: 'session_ended', holder: 'alice', client: null, by: 'alice', reason: null }
  t.same(await ends(stores), { a: ended, b: ended })
  t.same(await unpaired(stores), [])
})

t.test('what the history writes does not read every session', async t => {
  const stores = await openStores(t)
  const ids = Array.from({ length: 2000 }, (_, index) => `${index}`)
  await stores.locks.acquire(ids.map(id => request(id)))
  await stores.sql('vacuum analyze')
  const dba = await connectedTo(t, stores.url, 'leasehold')
  await dba.query('begin')
  const readBy = async (statement: string): Promise<number> => {
    const read = `select (coalesce(idx_tup_fetch, 0) + seq_tup_read)::int as count from pg_stat_xact_user_tables
      where relid = 'sessions'::regclass`
    const before = await dba.query<{ count: number }>(read)
    const { rowCount } = await dba.query(statement)
    t.equal(rowCount, 32)
    const after = await dba.query<{ count: number }>(read)
    return (after.rows[0]?.count ?? 0) - (before.rows[0]?.count ?? 0)
  }
  const grants = await readBy(
    `insert into locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
     select namespace, resource_type, 'new ' || n, session_id, fencing_token + n, holder, lock_time
     from locks, generate_series(1, 32) n where resource_id = '1999'`,
  )
  const ends = await readBy(
    'delete from locks where resource_id = any(array(select n::text from generate_series(0, 31) n))',
  )
  t.ok(grants > 0 && grants < 500, `32 grants read ${grants} rows`)
  t.ok(ends > 0 && ends < 500, `32 ends read ${ends} rows`)
  await dba.query('rollback')
})

t.test('what was granted cannot be changed by hand', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a')
  const other = await grantedOne(stores, 'b')
  const refused = { code: '23000', message: /stays what was granted/ }
  await t.rejects(stores.sql("update locks set holder = 'bob'"), refused)
  await t.rejects(stores.sql('update locks set fencing_token = fencing_token + 10'), refused)
  await t.rejects(stores.sql("update locks set resource_id = 'c' where resource_id = 'b'"), refused)
  await t.rejects(stores.sql('update locks set session_id = $1', [other.sessionId]), refused)
  await t.resolves(stores.sql(`update locks set metadata = '{"seen": true}'`))
  await t.resolves(stores.sql('update locks set holder = holder'))
})

t.test("a caller's temporary table catches nothing of the history", async t => {
  const stores = await openStores(t)
  await granted(stores, 'a')
  const dba = await connectedTo(t, stores.url, 'leasehold')
  await dba.query('create temporary table lock_events (like leasehold.lock_events)')
  await dba.query('create temporary table sessions (like leasehold.sessions)')
  await dba.query('delete from leasehold.locks')
  t.match(await ends(stores), { a: { kind: 'deleted' } })
})

t.test('the history can be switched off, and says from when on it is whole again', async t => {
  const stores = await openStores(t)
  const since = async () =>
    (await stores.sql<{ since: Date | null }>('select complete_since as since from history'))[0]?.since
  await granted(stores, 'a')
  await stores.sql('select set_history(false)')
  t.equal(await since(), null)
  await granted(stores, ['b', 'c'])
  await stores.sql(`delete from locks where resource_id in ('a', 'b')`)
  await stores.sql('truncate locks')
  t.match(await events(stores), [{ kind: 'granted', what: 'a' }])
  t.match(await faults(stores), { length: 1 }, 'a truncate leaves the session that was for it')
  const late = await grantedOne(stores, 'd')
  await stores.sql('select set_history(true)')
  t.ok(((await since()) ?? 0) >= late.lockTime)
  const lock = await grantedOne(stores, 'e')
  t.ok(((await since()) ?? 0) <= lock.lockTime)
  await stores.locks.release(name(lock))
  await stores.locks.release(name(late))
  t.same(
    (await events(stores)).map(({ kind, what }) => `${kind} ${what}`),
    ['granted a', 'granted e', 'released e', 'released d'],
  )
})
