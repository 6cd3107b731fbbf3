import t, { type Test } from 'tap'
import { migrateDown, migrateUp } from '../src/database/migrations/migrate.ts'
import { Client } from './support/client.ts'
import { freshDatabase } from './support/database.ts'
import { connectedTo, scratchDatabase } from './support/scratch-database.ts'
import { startListening, startService } from './support/service-process.ts'
import { until } from './support/until.ts'

t.setTimeout(240_000)

async function startUnready(t: Test, databaseUrl: string) {
  const service = await startListening(t, { DATABASE_URL: databaseUrl })
  const client = new Client(service.url)
  t.teardown(() => client.close())
  return { ...service, client, ready: async () => await client.call('GET', '/readyz') }
}

t.test('On an older schema it is not ready, and becomes so when the migrations are done', async t => {
  const url = await freshDatabase(t)
  const [taken] = await migrateDown({ url, schema: 'leasehold' }, 1)
  t.ok(taken)
  const { client, said, ready } = await startUnready(t, url)
  const before = await ready()
  t.match(before, { status: 503, body: { code: 'not_ready' } })
  t.match(
    before.body.detail,
    `older than this version of the service: ${taken} not applied; run "npm run migrate -- up"`,
  )
  t.equal((await client.call('GET', '/livez')).status, 200)
  const database = await connectedTo(t, url, 'leasehold')
  t.same((await database.query('select id from api_keys')).rows, [], 'no key yet')

  await migrateUp({ url, schema: 'leasehold' })
  await until('it is ready', async () => (await ready()).status === 200)
  await until('it says so', () => said.out.includes('Leasehold listens on'))
  t.equal((await client.acquire('a')).status, 201, 'the bootstrap key was made')
  t.equal(said.err.split('"msg":"not ready"').length, 2, 'the reason is logged once')
})

t.test('On an empty database it is not ready, and becomes so when the migrations are done', async t => {
  const { url } = await scratchDatabase(t)
  const { client, ready, said } = await startUnready(t, url)
  t.match(await ready(), { status: 503, body: { detail: /0001_\S+ and \d+ more not applied/ } })
  const refused = await client.acquire('a')
  t.ok(refused.status >= 500, 'trouble is never an answer')
  await migrateUp({ url, schema: 'leasehold' })
  await until('it says so', () => said.out.includes('Leasehold listens on'))
  t.equal((await ready()).status, 200)
  t.equal((await client.acquire('a')).status, 201)
})

t.test('On a server that loses commits it grants nothing until that has changed', async t => {
  const url = await freshDatabase(t)
  const database = await connectedTo(t, url)
  const name = new URL(url).pathname.slice(1)
  await database.query(`alter database ${name} set synchronous_commit = off`)
  const { client, said, ready } = await startUnready(t, url)
  t.match(await ready(), {
    status: 503,
    body: { code: 'not_ready', detail: /synchronous_commit is off: a crash loses the last granted locks/ },
  })
  t.match(await client.acquire('a'), { status: 503, body: { code: 'database_unavailable' } })
  t.equal((await client.call('GET', '/livez')).status, 200)
  t.notMatch(said.out, 'listens on')

  await database.query(`alter database ${name} reset synchronous_commit`)
  await until('it is ready', async () => (await ready()).status === 200)
  await until('it says so', () => said.out.includes('Leasehold listens on'))
  t.equal((await client.acquire('a')).status, 201)
})

t.test('ALLOW_UNSAFE_DATABASE=true works on a server that loses commits', async t => {
  const url = await freshDatabase(t)
  const database = await connectedTo(t, url)
  await database.query(`alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`)
  const service = await startService(t, { DATABASE_URL: url, ALLOW_UNSAFE_DATABASE: 'true' })
  const client = new Client(service.url)
  t.teardown(() => client.close())
  t.equal((await client.call('GET', '/readyz')).status, 200)
  t.equal((await client.acquire('a')).status, 201)
})

t.test('Two schemas in one database are two services', async t => {
  const url = await freshDatabase(t)
  await migrateUp({ url, schema: 'second' })
  for (const schema of ['leasehold', 'second']) {
    const service = await startService(t, { DATABASE_URL: url, DATABASE_SCHEMA: schema })
    const client = new Client(service.url)
    t.teardown(() => client.close())
    t.equal((await client.acquire('a')).status, 201, `free in ${schema}`)
  }
})
