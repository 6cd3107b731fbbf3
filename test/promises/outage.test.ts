import t from 'tap'
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.ts'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import { auditIsEmpty } from '../support/audit.ts'
import { Client } from '../support/client.ts'
import { sqlAt } from '../support/database.ts'
import { dataFolder, ownServer, postmasterPid } from '../support/own-server.ts'
import { eventually, signalFamily } from '../support/processes.ts'
import { startService } from '../support/service-process.ts'

/** Short, so that the test is: the service gives up two seconds after the server should have. */
const STATEMENT_TIMEOUT_MS = 500
const DEADLINE_MS = STATEMENT_TIMEOUT_MS + 2000 + 1000

t.test('without its database the service says so, stays alive, and recovers by itself', async t => {
  const dataDir = await dataFolder(t)
  const first = await EmbeddedPostgres.start({ dataDir })
  await migrateUp({ url: first.url, schema: 'leasehold' })
  const service = await startService(t, { DATABASE_URL: first.url, LOG_LEVEL: 'warn' })
  const client = new Client(service.url, { connections: 40 })
  t.teardown(() => client.close())
  const held = (await client.acquire('a', { ttl: 3600 })).body.locks[0]

  let working = true
  const statuses: Record<string, number> = {}
  const load = Array.from({ length: 8 }, async (_, number) => {
    while (working) {
      const { status } = await client.acquire(`load ${number}`, { ttl: 1 })
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  })
  await first.stop()

  const started = performance.now()
  const answers = await Promise.all([
    client.acquire('b'),
    client.touch(held.id),
    client.release(held.id),
    client.call('GET', `/v1/namespaces/tests/locks/${held.id}`),
    client.call('GET', '/v1/namespaces/tests/resources/thing/a/lock'),
    client.call('GET', '/v1/sessions'),
  ])
  const waitedMs = performance.now() - started
  for (const { status, body, headers } of answers) {
    t.equal(status, 503)
    t.equal(body.code, 'database_unavailable')
    t.ok(headers['retry-after'])
  }
  t.ok(waitedMs < DEADLINE_MS, `answered after ${Math.round(waitedMs)} ms`)
  t.equal((await client.call('GET', '/livez')).status, 200)
  await eventually('not ready', async () => (await client.call('GET', '/readyz')).status === 503)

  const second = await EmbeddedPostgres.start({ dataDir })
  t.teardown(() => second.stop())
  t.equal(second.url, first.url, 'on the same port')
  const recoveredMs = await eventually(
    'ready',
    async () => (await client.call('GET', '/readyz')).status === 200,
  )
  const after = await client.call('GET', `/v1/namespaces/tests/locks/${held.id}`)
  t.equal(after.body?.fencing_token, held.fencing_token, 'what was held is held')
  t.equal((await client.acquire('b')).status, 201)
  working = false
  await Promise.all(load)
  t.comment(
    `503 after ${Math.round(waitedMs)} ms; ready ${Math.round(recoveredMs)} ms after the start; under load ${JSON.stringify(statuses)}`,
  )
  t.same(
    Object.keys(statuses).filter(status => !['201', '409', '503', '504'].includes(status)),
    [],
  )
  t.equal(service.child.exitCode, null, 'the process lived through it')
  await auditIsEmpty(t, sqlAt(second.url))
})

t.test('a database that hangs is given up on, and nobody is told that anything is known', async t => {
  const server = await ownServer(t)
  await migrateUp({ url: server.postgres.url, schema: 'leasehold' })
  const service = await startService(t, {
    DATABASE_URL: server.postgres.url,
    DATABASE_STATEMENT_TIMEOUT_MS: String(STATEMENT_TIMEOUT_MS),
    LOG_LEVEL: 'error',
  })
  const client = new Client(service.url, { connections: 8 })
  t.teardown(() => client.close())
  const held = (await client.acquire('a', { ttl: 3600 })).body.locks[0]
  const pid = await postmasterPid(server.dataDir)
  await signalFamily(pid, 'SIGSTOP')
  t.teardown(() => signalFamily(pid, 'SIGCONT'))
  const started = performance.now()
  const [acquired, touched] = await Promise.all([client.acquire('b'), client.touch(held.id)])
  const waitedMs = performance.now() - started
  t.comment(`answered ${acquired.status} and ${touched.status} after ${Math.round(waitedMs)} ms`)
  const statuses = [acquired, touched].map(({ status, body }) => [status, body.code, body.outcome])
  t.ok(statuses.every(([status]) => status === 504 || status === 503))
  t.ok(
    statuses.some(([, , outcome]) => outcome === 'unknown'),
    JSON.stringify(statuses),
  )
  t.ok(waitedMs < DEADLINE_MS)
  await eventually('not ready', async () => (await client.call('GET', '/readyz')).status === 503)
  await signalFamily(pid, 'SIGCONT')
  await eventually('ready', async () => (await client.call('GET', '/readyz')).status === 200)
  t.equal((await client.touch(held.id)).status, 200)
  await auditIsEmpty(t, sqlAt(server.postgres.url))
})
