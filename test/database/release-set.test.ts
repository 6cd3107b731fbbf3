import t from 'tap'
import { Database } from '../../src/database/database.ts'
import { LockRepository } from '../../src/database/lock-repository.ts'
import type { ReleaseSelection } from '../../src/locks/release.ts'
import { putEntries, putTree } from '../support/catalogue.ts'
import {
  acquire,
  expire,
  faults,
  granted,
  named,
  openStores,
  POOL_SETTINGS,
  type Stores,
} from '../support/database.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

const release = (
  stores: Stores,
  which: ReleaseSelection['which'],
  options: { readonly holder?: string; readonly client?: string | null; readonly force?: true } = {},
) => {
  const { force, holder = 'alice', ...others } = options
  const choice = { namespace: 'tests', which, ...others }
  return force
    ? stores.locks.releaseSet({ ...choice, holder: null, force: { by: 'root', reason: 'a test' } })
    : stores.locks.releaseSet({ ...choice, holder })
}

const things = (...ids: string[]) => ({
  kind: 'resources' as const,
  resources: ids.map(id => ({ type: 'thing', id })),
})

async function locked(stores: Stores): Promise<readonly string[]> {
  const rows = await stores.sql<{ resource_id: string }>('select resource_id from locks order by 1')
  return rows.map(row => row.resource_id)
}

t.test('locks are released together, by their ids or by their resources', async t => {
  const stores = await openStores(t)
  const session = named(undefined, 30, false)
  const [a, b, c] = await granted(stores, ['a', 'b', 'c'], { session })
  await granted(stores, ['d', 'e'])
  const outcome = await release(stores, { kind: 'locks', lockIds: [a?.id ?? '', b?.id ?? '', '4711'] })
  t.match(outcome, { kind: 'released', count: 2, holders: ['alice'] })
  t.same(outcome.kind === 'released' && outcome.locks, [
    { lockId: a?.id, holder: 'alice', fencingToken: a?.fencingToken },
    { lockId: b?.id, holder: 'alice', fencingToken: b?.fencingToken },
  ])
  t.match(await release(stores, things('c', 'd', 'c', 'nobody has it')), { kind: 'released', count: 2 })
  t.same(await locked(stores), ['e'])
  t.ok(c)
  t.match(await stores.sessions.touch(session.id, 'alice'), { kind: 'live' }, 'it was to stay')
  t.match(await release(stores, things('e')), { count: 1 })
  t.equal(await stores.sessions.count(), 1, 'the session that had the last lock has ended')
  t.match(await release(stores, things('c', 'e')), { kind: 'released', locks: [], count: 0, holders: [] })
  t.same(await faults(stores), [])
})

t.test('one lock of somebody else refuses the whole, unless an administrator asks', async t => {
  const stores = await openStores(t)
  const [mine] = await granted(stores, ['a', 'b'])
  const [other] = await granted(stores, ['c'], { holder: 'bob', client: 'ws-15' })
  for (const which of [
    things('a', 'c', 'b'),
    { kind: 'locks', lockIds: [mine?.id ?? '', other?.id ?? ''] } as const,
  ]) {
    t.match(await release(stores, which), {
      kind: 'conflict',
      conflicts: [{ id: other?.id, holder: 'bob', client: 'ws-15', resource: { id: 'c' } }],
      conflictCount: 1,
    })
  }
  t.same(await locked(stores), ['a', 'b', 'c'])
  const forced = await release(stores, things('a', 'c'), { force: true })
  t.match(forced, { kind: 'released', count: 2 })
  t.same(forced.kind === 'released' && [...forced.holders].sort(), ['alice', 'bob'])
  await granted(stores, ['c'], { holder: 'bob' })
  await expire(stores)
  t.match(
    await release(stores, things('a', 'b', 'c')),
    { kind: 'released', count: 0 },
    'what has expired belongs to nobody',
  )
  t.same(await faults(stores), [])
})

t.test('a client can be asked for, besides the holder', async t => {
  const stores = await openStores(t)
  await granted(stores, 'a', { client: 'ws-1' })
  await granted(stores, 'b', { client: 'ws-2' })
  await granted(stores, 'c')
  t.match(await release(stores, things('a', 'b'), { client: 'ws-1' }), { kind: 'conflict', conflictCount: 1 })
  t.match(await release(stores, things('a', 'c'), { client: null }), { kind: 'conflict', conflictCount: 1 })
  t.match(await release(stores, things('c'), { client: null }), { kind: 'released', count: 1 })
  t.match(await release(stores, { kind: 'all' }, { client: 'ws-2' }), { kind: 'released', count: 1 })
  t.same(await locked(stores), ['a'])
})

t.test('everything of a holder is released, and nothing of others', async t => {
  const stores = await openStores(t)
  await granted(stores, ['a', 'b'])
  await granted(stores, 'c', { session: named() })
  await granted(stores, 'd', { holder: 'bob' })
  await stores.locks.acquire([
    {
      resources: [{ namespace: 'elsewhere', type: 'thing', id: 'a' }],
      expand: 'none',
      holder: 'alice',
      client: null,
      session: { kind: 'implicit', ttlSeconds: null },
      reentry: 'session',
      takeover: null,
      replacesOwn: false,
      isSole: false,
      reference: null,
      metadata: {},
    },
  ])
  t.match(await release(stores, { kind: 'all' }), { kind: 'released', count: 3, holders: ['alice'] })
  t.equal(await stores.locks.count(), 2)
  t.match(await release(stores, { kind: 'all' }, { force: true }), {
    kind: 'released',
    count: 1,
    holders: ['bob'],
  })
  t.same(await faults(stores), [])
})

t.test('what a resource stands for is released, locked or not', async t => {
  const stores = await openStores(t)
  await putEntries(stores, {
    root: {},
    folder: { parent: 'root' },
    leaf: { parent: 'folder' },
    choice: { elements: ['leaf', 'root'] },
  })
  const expanded = (id: string, expand: 'elements' | 'children' | 'contents') =>
    ({ kind: 'expanded', resource: { type: 'thing', id }, expand }) as const
  await granted(stores, ['root', 'leaf', 'apart', 'choice', 'folder'])
  t.match(await release(stores, expanded('choice', 'children')), {
    kind: 'selection_has_no_children',
    resources: [{ namespace: 'tests', type: 'thing', id: 'choice' }],
  })
  t.match(await release(stores, expanded('choice', 'contents')), { kind: 'released', count: 3 })
  t.match(await release(stores, expanded('root', 'children')), { kind: 'released', count: 1 })
  await granted(stores, 'leaf', { holder: 'bob' })
  t.match(await release(stores, expanded('root', 'children')), { kind: 'conflict', conflictCount: 1 })
  await stores.sql('update namespaces set is_closed = true')
  t.match(await release(stores, expanded('apart', 'contents')), { kind: 'released', count: 1 })
  t.match(await release(stores, expanded('apart', 'contents')), { kind: 'resource_not_found' })
})

t.test('a selection can be released also when an element has left the catalogue', async t => {
  const stores = await openStores(t)
  await putEntries(stores, { leaf: {}, twig: {}, choice: { elements: ['leaf', 'twig'] } })
  await granted(stores, 'choice', { expand: 'elements' })
  await stores.sql(`delete from resources where resource_id = 'leaf'`)
  t.match(await acquire(stores, 'choice', { expand: 'elements' }), { kind: 'resource_not_found' })
  const choice = { kind: 'expanded', resource: { type: 'thing', id: 'choice' }, expand: 'elements' } as const
  t.match(await release(stores, choice), { kind: 'released', count: 3 })
})

t.test('a tree of thousands is released whole or not at all', async t => {
  const stores = await openStores(t)
  await putTree(stores, 'root', 5000)
  const session = named()
  t.match(await acquire(stores, 'root', { expand: 'contents', session }), { kind: 'granted', count: 5001 })
  const tree = { kind: 'expanded', resource: { type: 'thing', id: 'root' }, expand: 'contents' } as const
  t.match(await release(stores, tree, { holder: 'bob' }), { kind: 'conflict', conflictCount: 5001 })
  t.equal(await stores.locks.count(), 5001)
  const outcome = await release(stores, tree)
  t.match(outcome, { kind: 'released', count: 5001, holders: ['alice'] })
  t.equal(outcome.kind === 'released' && outcome.locks.length, 100)
  t.same(await stores.sessions.touch(session.id, 'alice'), { kind: 'session_expired' })
  await granted(
    stores,
    Array.from({ length: 900 }, (_, index) => `a${index}`),
  )
  await granted(
    stores,
    Array.from({ length: 900 }, (_, index) => `b${index}`),
  )
  t.match(await release(stores, { kind: 'all' }), { kind: 'released', count: 1800 })
  t.equal(await stores.sessions.count(), 0)
  t.same(await faults(stores), [])
})

t.test(
  'more named locks than an acquire takes are released by the connections for large statements',
  async t => {
    const stores = await openStores(t)
    const ids: string[] = []
    for (let from = 0; from < 5000; from += 1000) {
      const some = Array.from({ length: 1000 }, (_, index) => `thing ${from + index}`)
      ids.push(...(await granted(stores, some)).map(({ id }) => id))
    }
    const nowhere = new Database({ ...POOL_SETTINGS, url: 'postgres://nobody@127.0.0.1:1/none' }, 'leasehold')
    t.teardown(() => nowhere.close())
    const locks = new LockRepository(nowhere, { retried: () => {} }, { bulk: stores.database })
    const by = (lockIds: readonly string[], holder = 'alice') =>
      locks.releaseSet({ namespace: 'tests', which: { kind: 'locks', lockIds }, holder })
    const small = ids.slice(0, 1000)
    await t.rejects(
      by(small),
      { name: 'DatabaseTrouble', outcome: 'unchanged' },
      'these go where requests go',
    )
    t.match(await by(ids, 'bob'), { kind: 'conflict', conflictCount: 5000 })
    t.equal(await stores.locks.count(), 5000)
    const outcome = await by(ids)
    t.match(outcome, { kind: 'released', count: 5000, holders: ['alice'] })
    t.equal(outcome.kind === 'released' && outcome.locks.length, 1000)
    t.match(await by([...ids, '4711']), { kind: 'released', count: 0 })
    const resources = Array.from({ length: 1001 }, (_, index) => ({ type: 'thing', id: `thing ${index}` }))
    await granted(stores, ['thing 0', 'thing 1000'])
    t.match(
      await locks.releaseSet({
        namespace: 'tests',
        which: { kind: 'resources', resources },
        holder: 'alice',
      }),
      { kind: 'released', count: 2 },
    )
    t.same(await faults(stores), [])
  },
)

t.test('a release that waits for a session judges by the time after the wait', async t => {
  const stores = await openStores(t)
  const session = named()
  await granted(stores, ['a', 'b'], { session })
  const blocker = await connectedTo(t, stores.url)
  await blocker.query('begin')
  await blocker.query(
    `update leasehold.sessions set started = started - interval '1 hour', last_touch = last_touch - interval '1 hour',
       expires_at = expires_at - interval '1 hour' where id = $1`,
    [session.id],
  )
  const releasing = release(stores, things('a', 'b'))
  await untilWaiting(stores, 1)
  await blocker.query('commit')
  t.match(await releasing, { kind: 'released', count: 0 })
})

t.test('a deletion by hand of locks of many sessions ends those that have none left', async t => {
  const stores = await openStores(t)
  const kept = named()
  await granted(stores, ['a', 'b'], { session: kept })
  const ended = named()
  await granted(stores, 'c', { session: ended })
  await granted(stores, 'd')
  await granted(stores, 'e', { session: named(undefined, 30, false) })
  await stores.sql(`delete from locks where resource_id <> 'b'`)
  t.match(await stores.sessions.touch(kept.id, 'alice'), { kind: 'live' })
  t.same(await stores.sessions.touch(ended.id, 'alice'), { kind: 'session_expired' })
  t.match(await stores.sql('select end_reason from sessions where ended_at is not null'), [
    { end_reason: 'last_lock_gone' },
  ])
  t.equal(await stores.sessions.count(), 2)
  t.same(await faults(stores), [])
})
