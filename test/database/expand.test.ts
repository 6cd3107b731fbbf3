import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { AcquireOutcome } from '../../src/locks/acquire.ts'
import { putEntries, putTree } from '../support/catalogue.ts'
import { acquire, expire, faults, grantedOne, named, openStores, type Stores } from '../support/database.ts'

/** One that is read and taken like any set, and one that is too large for that. */
const SIZES = [40, 2000]

const FOREST = {
  root: {},
  folder: { parent: 'root' },
  leaf: { parent: 'folder' },
  other: { parent: 'root' },
  alone: {},
  choice: { elements: ['leaf', 'alone'] },
  broken: { elements: ['leaf', 'nowhere'] },
  nested: { elements: ['choice', 'folder'] },
  'choice below': { parent: 'folder', elements: ['alone'] },
}

async function locked(stores: Stores): Promise<readonly string[]> {
  const rows = await stores.sql<{ resource_id: string }>('select resource_id from locks order by 1')
  return rows.map(row => row.resource_id)
}

async function counts(stores: Stores) {
  const [row] = await stores.sql<{ locks: number; sessions: number }>(
    'select (select count(*) from locks)::int as locks, (select count(*) from sessions)::int as sessions',
  )
  return row
}

const isGranted = (outcome: AcquireOutcome, count: number, existingCount = 0) =>
  outcome.kind === 'granted' && outcome.count === count && outcome.existingCount === existingCount

t.test('what a resource stands for', async t => {
  const stores = await openStores(t)
  await putEntries(stores, FOREST)
  for (const [names, expand, expected] of [
    [['root'], 'none', ['root']],
    [['root'], 'elements', ['root']],
    [['root'], 'children', ['choice below', 'folder', 'leaf', 'other', 'root']],
    [['root'], 'contents', ['choice below', 'folder', 'leaf', 'other', 'root']],
    [['choice'], 'none', ['choice']],
    [['choice'], 'elements', ['alone', 'choice', 'leaf']],
    [['choice', 'leaf'], 'contents', ['alone', 'choice', 'leaf']],
    [['nested'], 'contents', ['choice', 'folder', 'nested']],
    [['folder', 'choice'], 'contents', ['alone', 'choice', 'choice below', 'folder', 'leaf']],
    [['folder', 'root', 'leaf'], 'children', ['choice below', 'folder', 'leaf', 'other', 'root']],
    [['unknown'], 'contents', ['unknown']],
    [['unknown', 'leaf'], 'children', ['leaf', 'unknown']],
  ] as const) {
    const outcome = await acquire(stores, names, { expand })
    t.same(await locked(stores), expected, `${names} with ${expand}`)
    t.match(outcome, {
      kind: 'granted',
      count: expected.length,
      existingCount: 0,
      grants: names.map(id => ({ existing: false, lock: { resource: { id } } })),
    })
    t.equal(await stores.sessions.count(), 1)
    await stores.sql('delete from locks')
  }
})

t.test('what refuses a request because of the catalogue', async t => {
  const stores = await openStores(t)
  await putEntries(stores, FOREST)
  for (const id of ['choice', 'nested']) {
    t.match(await acquire(stores, ['leaf', id], { expand: 'children' }), {
      kind: 'selection_has_no_children',
      resources: [{ namespace: 'tests', type: 'thing', id }],
    })
  }
  for (const expand of ['elements', 'contents'] as const) {
    t.match(await acquire(stores, ['broken', 'root'], { expand }), {
      kind: 'resource_not_found',
      resources: [{ id: 'nowhere' }],
    })
  }
  t.equal((await acquire(stores, 'broken')).kind, 'granted', 'alone it is a resource like others')
  await stores.sql('update namespaces set is_closed = true')
  t.match(await acquire(stores, ['root', 'unknown'], { expand: 'contents' }), {
    kind: 'resource_not_found',
    resources: [{ id: 'unknown' }],
  })
  t.same(await locked(stores), ['broken'])
  t.same(await faults(stores), [])
})

t.test('a namespace without a catalogue, and a cycle made by hand', async t => {
  const stores = await openStores(t)
  t.match(await acquire(stores, ['a', 'b'], { expand: 'contents' }), { kind: 'granted', count: 2 })
  await putEntries(stores, { one: {}, two: { parent: 'one' } })
  await putEntries(stores, { one: { parent: 'two' } })
  t.match(await acquire(stores, 'one', { expand: 'children' }), { kind: 'granted', count: 2 })
})

t.test('a catalogue that grew since the statements were planned is walked all the same', async t => {
  const stores = await openStores(t, { max: 1 })
  // what checks it would have a bad plan of its own here
  await stores.sql('alter table resources drop constraint resources_parent_fkey')
  await putEntries(stores, { few: {} })
  t.match(await acquire(stores, 'few', { expand: 'contents' }), { kind: 'granted', count: 1 })
  await stores.sql('analyze resources')
  await stores.sql(
    `insert into resources (namespace, resource_type, resource_id, parent_type, parent_id)
     select 'tests', 'thing', 'deep ' || n, case when n > 1 then 'thing' end, case when n > 1 then 'deep ' || n - 1 end
     from generate_series(1, 20000) n`,
  )
  t.match(await acquire(stores, 'deep 1', { expand: 'contents' }), { kind: 'granted', count: 20_000 })
  await stores.sql(
    `insert into resources (namespace, resource_type, resource_id, parent_type, parent_id)
     select 'tests', 'thing', 'flat ' || n, case when n > 1 then 'thing' end, case when n > 1 then 'flat 1' end
     from generate_series(1, 20000) n`,
  )
  await stores.sql('analyze resources')
  t.match(await acquire(stores, 'flat 1', { expand: 'contents' }), { kind: 'granted', count: 20_000 })
})

t.test('more resources than a set can have are refused', async t => {
  const stores = await openStores(t)
  await putTree(stores, 'root', 200_000)
  t.same(await acquire(stores, 'root', { expand: 'contents' }), { kind: 'too_many_resources', most: 200_000 })
  t.same(await counts(stores), { locks: 0, sessions: 0 })
})

for (const size of SIZES) {
  const whole = size + 1
  const tree = { expand: 'contents' } as const

  t.test(`a set of ${whole}: in every kind of session, and again`, async t => {
    const stores = await openStores(t)
    await putTree(stores, 'root', size)
    const session = named()
    const first = await acquire(stores, 'root', {
      ...tree,
      session,
      client: 'ws-15',
      reference: 'r',
      metadata: { a: 1 },
    })
    t.ok(isGranted(first, whole))
    t.match(first, {
      grants: [
        {
          existing: false,
          lock: {
            resource: { namespace: 'tests', type: 'thing', id: 'root' },
            holder: 'alice',
            client: 'ws-15',
            sessionId: session.id,
            reference: 'r',
            metadata: { a: 1 },
            expiresInSeconds: 30,
          },
        },
      ],
      takenFrom: [],
    })
    const again = await acquire(stores, 'root', { ...tree, session })
    t.ok(isGranted(again, whole, whole), 'a repeat gives the same locks')
    t.same(
      again.kind === 'granted' && again.grants[0]?.lock.id,
      first.kind === 'granted' && first.grants[0]?.lock.id,
    )
    t.ok(
      again.kind === 'granted' &&
        first.kind === 'granted' &&
        Number(again.grants[0]?.lock.sessionLastTouch) > Number(first.grants[0]?.lock.sessionLastTouch),
      'and is a touch',
    )
    await stores.sql(`delete from locks where resource_id in ('root', 'root/0/3')`)
    const rest = await acquire(stores, 'root', { ...tree, session: { kind: 'existing', id: session.id } })
    t.ok(isGranted(rest, whole, whole - 2), 'what is missing is taken')
    t.same(await counts(stores), { locks: whole, sessions: 1 })
    t.same(
      await stores.sql(
        `select bool_and(fencing_token > 0) and count(distinct fencing_token) = count(*) as yes from locks`,
      ),
      [{ yes: true }],
    )
    await stores.sessions.end(session.id, 'alice')
    t.same(await acquire(stores, 'root', { ...tree, session }), { kind: 'session_expired' })
    t.same(await acquire(stores, 'root', { ...tree, session, holder: 'bob' }), { kind: 'session_forbidden' })
    t.same(await acquire(stores, 'root', { ...tree, session: { kind: 'existing', id: randomUUID() } }), {
      kind: 'session_not_found',
    })
    t.equal(await stores.locks.count(), 0)
    const endless = await acquire(stores, 'root', {
      ...tree,
      session: { kind: 'implicit', ttlSeconds: null },
    })
    t.match(endless, { kind: 'granted', grants: [{ lock: { expiresAt: null, expiresInSeconds: null } }] })
    t.same(await faults(stores), [])
  })

  t.test(`a set of ${whole}: one lock of somebody else refuses it, and nothing is left behind`, async t => {
    const stores = await openStores(t)
    await putTree(stores, 'root', size)
    const lock = await grantedOne(stores, 'root/0/7', { holder: 'bob' })
    for (const session of [named(), { kind: 'implicit', ttlSeconds: 30 } as const]) {
      t.match(await acquire(stores, 'root', { ...tree, session, reentry: 'user' }), {
        kind: 'conflict',
        conflicts: [{ id: lock.id, holder: 'bob' }],
        conflictCount: 1,
      })
    }
    t.same(await counts(stores), { locks: 1, sessions: 1 })
    await expire(stores)
    t.ok(isGranted(await acquire(stores, 'root', tree), whole), 'once it has expired it is nothing')
    t.match(await acquire(stores, 'root', { ...tree, holder: 'bob' }), {
      kind: 'conflict',
      conflictCount: whole,
    })
    const refused = await acquire(stores, 'root', { ...tree, holder: 'bob' })
    t.equal(refused.kind === 'conflict' && refused.conflicts.length, Math.min(100, whole))
    await expire(stores)
    t.ok(isGranted(await acquire(stores, 'root', { ...tree, holder: 'bob' }), whole), 'nor is a whole tree')
    t.same(await counts(stores), { locks: whole, sessions: 1 })
    t.same(await faults(stores), [])
  })

  t.test(
    `a set of ${whole}: re-entry by user counts the user's other sessions, and touches them`,
    async t => {
      const stores = await openStores(t)
      await putTree(stores, 'root', size)
      const [one, two] = [named(), named()]
      await grantedOne(stores, 'root/0/1', { session: one })
      await grantedOne(stores, 'root', { session: two })
      await stores.sql(`update sessions set started = started - interval '1 s', last_touch = last_touch - interval '1 s',
      expires_at = expires_at - interval '1 s'`)
      t.match(await acquire(stores, 'root', tree), { kind: 'conflict', conflictCount: 2 })
      const outcome = await acquire(stores, 'root', { ...tree, reentry: 'user' })
      t.ok(isGranted(outcome, whole, 2))
      t.match(outcome, { grants: [{ existing: true, lock: { sessionId: two.id } }] })
      t.same(
        await stores.sql(
          'select count(*)::int as touched from sessions where named and last_touch > started',
        ),
        [{ touched: 2 }],
      )
      t.ok(isGranted(await acquire(stores, 'root', { ...tree, reentry: 'user' }), whole, whole))
      t.equal(await stores.sessions.count(), 3, 'no session was made for what others have')
      await expire(stores, two.id)
      t.ok(isGranted(await acquire(stores, 'root', { ...tree, reentry: 'user' }), whole, whole - 1))
      t.same(await faults(stores), [])
    },
  )

  t.test(`a set of ${whole}: re-entry by client counts the sessions of that client alone`, async t => {
    const stores = await openStores(t)
    await putTree(stores, 'root', size)
    await grantedOne(stores, 'root/0/1', { client: 'ws-1' })
    const reentry = { ...tree, reentry: 'client' } as const
    t.match(await acquire(stores, 'root', { ...reentry, client: 'ws-2' }), {
      kind: 'conflict',
      conflictCount: 1,
    })
    t.ok(isGranted(await acquire(stores, 'root', { ...reentry, client: 'ws-1' }), whole, 1))
    t.same(await faults(stores), [])
  })

  t.test(`a set of ${whole}: an administrator takes all of it over`, async t => {
    const stores = await openStores(t)
    await putTree(stores, 'root', size)
    const mine = await grantedOne(stores, 'root/0', { holder: 'root', session: named() })
    const old = await grantedOne(stores, 'root', { holder: 'bob' })
    await grantedOne(stores, 'root/0/2', { holder: 'carol', session: named() })
    const kept = await grantedOne(stores, 'elsewhere', { holder: 'carol' })
    const outcome = await acquire(stores, 'root', {
      ...tree,
      holder: 'root',
      session: { kind: 'existing', id: mine.sessionId },
      takeover: { reason: 'test' },
    })
    t.ok(isGranted(outcome, whole, 1))
    t.same(outcome.kind === 'granted' && [...outcome.takenFrom].sort(), ['bob', 'carol'])
    const taken = outcome.kind === 'granted' ? outcome.grants[0]?.lock : undefined
    t.ok((taken?.fencingToken ?? 0) > old.fencingToken)
    t.equal(taken?.sessionId, mine.sessionId)
    t.match(await stores.sql('select distinct holder from locks order by 1'), [
      { holder: 'carol' },
      { holder: 'root' },
    ])
    t.ok(await stores.locks.get('tests', kept.id))
    t.same(await faults(stores), [])
  })

  t.test(`a set of ${whole} in a closed namespace, and a repeat where it was closed meanwhile`, async t => {
    const stores = await openStores(t)
    await putTree(stores, 'root', size)
    const session = named()
    t.ok(isGranted(await acquire(stores, ['root', 'free'], { ...tree, session }), whole + 1))
    await stores.sql('update namespaces set is_closed = true')
    t.ok(isGranted(await acquire(stores, ['root', 'free'], { ...tree, session }), whole + 1, whole + 1))
    t.match(await acquire(stores, ['root', 'more'], { ...tree, session }), {
      kind: 'resource_not_found',
      resources: [{ id: 'more' }],
    })
    await putEntries(stores, { broken: { elements: ['root', 'nowhere'] } })
    t.match(await acquire(stores, ['root', 'broken'], { ...tree, session }), {
      kind: 'resource_not_found',
      resources: [{ id: 'nowhere' }],
    })
    t.match(await acquire(stores, ['root', 'broken'], { session, expand: 'children' }), {
      kind: 'selection_has_no_children',
      resources: [{ id: 'broken' }],
    })
  })
}
