import { readFileSync } from 'node:fs'
import type pg from 'pg'
import t from 'tap'
import { auditIsEmpty } from './support/audit.ts'
import { grantedOne, openStores, request } from './support/database.ts'
import { connectedTo } from './support/scratch-database.ts'

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

/** The blocks of SQL of a page that have this text, in their order; all of them without one. */
function blocks(name: string, text = ''): readonly string[] {
  const found = [...page(name).matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, block = '']) => block)
  return found.filter(block => block.includes(text))
}

t.test(
  'every statement of the page about the history runs as it stands, and says what it should',
  async t => {
    const stores = await openStores(t)
    const production = { namespace: 'deploy', type: 'environment', id: 'production' }
    const take = {
      ...request([]),
      resources: [production],
      session: { kind: 'implicit', ttlSeconds: 86_400 } as const,
    }
    await stores.locks.acquire([{ ...take, holder: 'steves' }])
    await stores.locks.acquire([{ ...take, holder: 'boss', takeover: { reason: 'he is away' } }])
    await grantedOne(stores, 'a', { holder: 'steves' })
    const dba = await connectedTo(t, stores.url)
    const answers = new Map<string, readonly unknown[]>()
    for (const block of blocks('history.md')) {
      const result: unknown = await dba.query(block.replace(/timestamptz '[^']+'/, 'now()'))
      answers.set(block, ([result].flat().at(-1) as pg.QueryResult).rows)
    }
    const answerWith = (text: string) => [...answers].find(([block]) => block.includes(text))?.[1]
    t.match(answerWith('held @>'), [{ holder: 'boss', ended: null, ended_by: null }])
    t.match(answerWith('order by id;'), [
      { kind: 'granted', holder: 'steves' },
      { kind: 'taken_over', holder: 'steves', ended_by: 'boss', reason: 'he is away' },
      { kind: 'granted', holder: 'boss' },
    ])
    t.equal(answerWith('longest_held limit 10')?.length, 3)
    t.match(answerWith('taken_over_this_week'), [{ taken_from: 'steves', taken_by: 'boss' }])
    t.match(answerWith('date_trunc'), [{ expired: '0', ended: '1' }])
    t.match(answerWith('lock_events_default'), [{ count: '0' }])
    t.match(
      await stores.sql(`select kind, reason from lock_events where kind = 'deleted'`),
      [{ kind: 'deleted', reason: 'ticket 4711' }],
      'what the page does by hand, with the reason',
    )
    t.same(
      await stores.sql('select complete_since from history'),
      [{ complete_since: null }],
      'switched off last',
    )
  },
)

t.test('after a restore of a dump the history is readable again, as the page says', async t => {
  const stores = await openStores(t)
  await grantedOne(stores, 'a')
  await stores.sql(`update lock_events set xid = '18446744073709551000'`)
  t.match(await stores.sql('select fault from audit'), [{ fault: 'a history of another server' }])
  const [statement = ''] = blocks('operations.md', 'pg_snapshot_xmax')
  await stores.sql(statement)
  await auditIsEmpty(t, stores)
})
