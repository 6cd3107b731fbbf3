import { readFileSync } from 'node:fs'
import pg from 'pg'
import t from 'tap'
import { grantedOne, openStores, request } from './support/database.ts'
import { connectedTo } from './support/scratch-database.ts'

const PAGE = readFileSync(new URL('../../docs/fencing.md', import.meta.url), 'utf8')

/** The blocks of SQL below a heading, in their order. */
function blocksBelow(heading: string): readonly string[] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return [...section.matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, block = '']) => block)
}

t.test('the example of the page about fencing runs as it stands', async t => {
  const stores = await openStores(t)
  const owner = await connectedTo(t, stores.url)
  const [setUp = '', ...steps] = blocksBelow('An example')
  const role = `editor_${new URL(stores.url).pathname.slice(1)}`
  await owner.query(setUp.replaceAll('editor', role))
  t.teardown(async () => {
    await owner.query(`drop owned by ${role}; drop role ${role}`)
  })
  const outcome = await stores.locks.acquire([
    { ...request([]), resources: [{ namespace: 'demo', type: 'report', id: '42' }], holder: 'admin' },
  ])
  t.match(outcome, [{ kind: 'granted', grants: [{ lock: { fencingToken: 1099511627777 } }] }])

  const editor = await connectedTo(t, stores.url)
  await editor.query(`set role ${role}`)
  const answers: unknown[] = []
  for (const step of steps) {
    const client = step.startsWith('delete from leasehold.locks') ? owner : editor
    try {
      const result: unknown = await client.query(step)
      answers.push(([result].flat().at(-1) as pg.QueryResult).rows)
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error
      answers.push(`ERROR:  ${error.message}\nDETAIL:  ${error.detail}\nHINT:  ${error.hint}\n`)
    }
  }
  const failure = answers.find(answer => typeof answer === 'string')
  t.ok(PAGE.includes(`\n${failure}`), String(failure))
  t.equal(answers.filter(answer => typeof answer === 'string').length, 1)
  t.same(answers.at(-1), [{ is_held: false }])
  t.same((await owner.query('select body from report')).rows, [{ body: 'First. More.' }])
})

t.test('a trigger can ask for the lock, as the page says', async t => {
  const stores = await openStores(t)
  const owner = await connectedTo(t, stores.url)
  await owner.query(
    `create table report (id text primary key, body text not null); insert into report values ('42', '')`,
  )
  const trigger = blocksBelow('What it does, and what others see meanwhile')[0] ?? ''
  await owner.query(trigger)
  const write = `update report set body = 'x'`
  await t.rejects(owner.query(write), { code: '42704' }, 'nobody forgets it')
  await owner.query(`set app.fencing_token = '1'`)
  await t.rejects(owner.query(write), { code: 'LH001' })
  const lock = await grantedOne(stores, 'other')
  await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  const [outcome] = await stores.locks.acquire([
    { ...request([]), resources: [{ namespace: 'demo', type: 'report', id: '42' }] },
  ])
  const token = outcome?.kind === 'granted' ? outcome.grants[0]?.lock.fencingToken : undefined
  await owner.query(`set app.fencing_token = '${token}'`)
  await t.resolves(owner.query(write))
})
