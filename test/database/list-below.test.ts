import t from 'tap'
import { listBelowSql } from '../../src/database/statements/list-below.ts'
import { putEntries } from '../support/catalogue.ts'
import {
  acquire,
  expire,
  granted,
  grantedOne,
  named,
  openStores,
  request,
  type Stores,
} from '../support/database.ts'
import { directOnly } from '../support/through-pooler.ts'

const resource = (id: string) => ({ namespace: 'tests', type: 'thing', id })

/** Who holds what, in the order of the list. */
const below = async (
  stores: Stores,
  id: string,
  expand: Parameters<Stores['locks']['listBelow']>[1] = 'contents',
  limit = 100,
) =>
  (await stores.locks.listBelow(resource(id), expand, limit)).map(
    ({ holder, resource: { id: lockedId } }) => `${lockedId} ${holder}`,
  )

async function house(test: Parameters<typeof openStores>[0]): Promise<Stores> {
  const stores = await openStores(test)
  await putEntries(stores, {
    house: {},
    roof: { parent: 'house' },
    tile: { parent: 'roof' },
    door: { parent: 'house' },
    garden: {},
    choice: { elements: ['tile', 'garden'] },
  })
  return stores
}

t.test(
  'the locks of a resource and of everything below it are listed in the order of their keys',
  async t => {
    const stores = await house(t)
    await granted(stores, ['tile', 'house', 'garden'], { holder: 'alice' })
    await granted(stores, ['door'], { holder: 'bob' })
    t.same(await below(stores, 'house'), ['door bob', 'house alice', 'tile alice'])
    t.same(await below(stores, 'house', 'children'), ['door bob', 'house alice', 'tile alice'])
    t.same(await below(stores, 'roof'), ['tile alice'])
    t.same(await below(stores, 'house', 'elements'), ['house alice'])
    t.same(await below(stores, 'house', 'none'), ['house alice'])
    t.same(await below(stores, 'house', 'contents', 2), ['door bob', 'house alice'], 'the first of them')
  },
)

t.test(
  'of a selection its elements are listed, and what is not in the catalogue is listed alone',
  async t => {
    const stores = await house(t)
    await granted(stores, ['tile', 'garden', 'choice', 'shed'])
    t.same(await below(stores, 'choice'), ['choice alice', 'garden alice', 'tile alice'])
    t.same(await below(stores, 'choice', 'elements'), ['choice alice', 'garden alice', 'tile alice'])
    t.same(await below(stores, 'shed'), ['shed alice'])
    t.same(await below(stores, 'nothing'), [])
  },
)

t.test('a lock is listed with everything that belongs to it', async t => {
  const stores = await house(t)
  const lock = await grantedOne(stores, 'door', { client: 'ws-15', reference: 'r', metadata: { a: 1 } })
  const [listed] = await stores.locks.listBelow(resource('house'), 'contents', 10)
  t.ok(Number(listed?.expiresInSeconds) > 0)
  t.same({ ...listed, expiresInSeconds: lock.expiresInSeconds }, lock)
  await granted(stores, 'roof', { session: named(undefined, null) })
  const [, endless] = await stores.locks.listBelow(resource('house'), 'contents', 10)
  t.match(endless, { resource: { id: 'roof' }, expiresAt: null, expiresInSeconds: null })
})

t.test('what has expired or ended is not listed, and neither is another namespace or type', async t => {
  const stores = await house(t)
  await granted(stores, ['house', 'tile'])
  await granted(stores, ['door'], { session: { kind: 'implicit', ttlSeconds: 30 }, holder: 'bob' })
  t.equal((await below(stores, 'house')).length, 3)
  await expire(stores)
  t.same(await below(stores, 'house'), [], 'swept or not')
  for (const [namespace, type] of [
    ['others', 'thing'],
    ['tests', 'room'],
  ] as const) {
    const outcome = await stores.locks.acquire([
      { ...request('x'), resources: [{ namespace, type, id: 'house' }] },
    ])
    t.match(outcome, [{ kind: 'granted' }])
  }
  t.same(await below(stores, 'house'), [])
  t.equal((await acquire(stores, 'house', { holder: 'carol' })).kind, 'granted')
  t.same(await below(stores, 'house'), ['house carol'])
})

t.test('a list of a lone resource does not read the locks of the namespace', async t => {
  const stores = await house(t)
  const session = await grantedOne(stores, 'garden')
  await stores.sql(
    `insert into locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
     select 'tests', 'thing', 'many-' || n, $1, n, 'alice', now() from generate_series(1, 20000) n`,
    [session.sessionId],
  )
  await stores.sql('analyze locks')
  const parameters = ["'tests'", "'thing'", "'garden'", "'contents'", '1000', '100']
  const statement = listBelowSql('leasehold').replaceAll(/\$(\d)/g, (_, n) => parameters[n - 1] ?? '')
  const lines = await stores.sql<{ 'QUERY PLAN': string }>(`explain ${statement}`)
  const plan = lines.map(line => line['QUERY PLAN']).join('\n')
  t.match(plan, /Index Scan using locks_resource_key/)
  t.notMatch(plan, /Seq Scan on locks|Hash Join/)
})

const skip = directOnly('through a pooler no plan is kept')

t.test('the plan for a small table is not kept for when it has grown', { skip }, async t => {
  const stores = await openStores(t, { max: 1 })
  for (let times = 0; times < 7; times += 1) await below(stores, 'house')
  await grantedOne(stores, 'house')
  const kept = await stores.database.run<{ statement: string }>(
    'select statement from pg_prepared_statements',
    [],
  )
  t.ok(
    kept.some(({ statement }) => statement.includes('claim_resource')),
    'others are kept',
  )
  t.notOk(kept.some(({ statement }) => statement.includes('expand_resources')))
})
