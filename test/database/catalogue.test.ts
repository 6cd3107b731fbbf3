import t from 'tap'
import { CatalogueRepository } from '../../src/database/catalogue-repository.ts'
import type { CatalogueEntry } from '../../src/locks/catalogue.ts'
import { openStores } from '../support/database.ts'
import { randomFrom, SEED } from '../support/random.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilWaiting } from '../support/waiting.ts'

const WRITERS = 8
const MOVES = 400
const NODES = 12

const entry = (id: string, parent: string | null): CatalogueEntry => ({
  resource: { namespace: 'n', type: 'node', id },
  parent: parent === null ? null : { type: 'node', id: parent },
  kind: 'object',
  elements: [],
})

t.test('writers at the same time never make a cycle together', async t => {
  const stores = await openStores(t)
  const catalogue = new CatalogueRepository(stores.database)
  const random = randomFrom(SEED)
  const pick = () => String(Math.floor(random() * NODES))
  await catalogue.put(
    'n',
    Array.from({ length: NODES }, (_, id) => entry(String(id), null)),
  )
  const outcomes: Record<string, number> = {}
  let left = MOVES
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      while (left > 0) {
        left -= 1
        const outcome = await catalogue
          .put('n', [entry(pick(), random() < 0.2 ? null : pick())])
          .catch((error: Error) => ({ kind: error.message }))
        outcomes[outcome.kind] = (outcomes[outcome.kind] ?? 0) + 1
      }
    }),
  )
  t.comment(`seed ${SEED}: ${MOVES} moves by ${WRITERS} writers: ${JSON.stringify(outcomes)}`)
  t.ok((outcomes.done ?? 0) > 50 && (outcomes.cycle ?? 0) > 10)
  const rows = await stores.sql(
    `with recursive tree as (
       select resource_type, resource_id from resources where parent_id is null
       union
       select r.resource_type, r.resource_id from tree join resources r
         on r.parent_type = tree.resource_type and r.parent_id = tree.resource_id
     )
     select (select count(*) from tree)::int as reachable`,
  )
  t.same(rows, [{ reachable: NODES }], 'everything leads to a root')
})

t.test('an entry that gets a child meanwhile is not taken out', async t => {
  const stores = await openStores(t)
  const catalogue = new CatalogueRepository(stores.database)
  for (let round = 0; round < 50; round += 1) {
    await catalogue.put('n', [entry('parent', null)])
    const [removed, put] = await Promise.all([
      catalogue.remove({ namespace: 'n', type: 'node', id: 'parent' }),
      catalogue.put('n', [entry('child', 'parent')]),
    ])
    t.notSame([removed, put.kind], ['removed', 'done'])
    await stores.sql('delete from resources')
  }
})

t.test('whoever looks into a catalogue does not wait for those who change it', async t => {
  const stores = await openStores(t)
  const changes = await openStores(t, { url: stores.url, max: 1 })
  const catalogue = new CatalogueRepository(stores.database, changes.database)
  await catalogue.put('n', [entry('a', null)])
  const other = await connectedTo(t, stores.url, 'leasehold')
  await other.query('begin')
  await other.query("select from namespaces where name = 'n' for update")
  const changed = Promise.all([catalogue.put('n', [entry('b', 'a')]), catalogue.put('m', [entry('c', null)])])
  await untilWaiting(stores, 1)
  t.equal((await catalogue.getNamespace('n')).isClosed, false)
  t.match(await catalogue.get({ namespace: 'n', type: 'node', id: 'a' }), { resource: { id: 'a' } })
  await other.query('commit')
  t.same(
    (await changed).map(({ kind }) => kind),
    ['done', 'done'],
  )
})
