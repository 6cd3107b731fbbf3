import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Client } from './support/client.ts'
import { dataFolder, killServer, serverPid, usedFolder } from './support/embedded.ts'
import { type ServiceProcess, startService } from './support/service-process.ts'
import { until } from './support/until.ts'

t.setTimeout(240_000)

interface Started {
  readonly service: ServiceProcess
  readonly client: Client
}

async function start(t: Test, dataDir: string): Promise<Started> {
  const service = await startService(t, { DATA_DIR: dataDir, LOG_LEVEL: 'info' })
  const client = new Client(service.url)
  t.teardown(() => client.close())
  return { service, client }
}

/** Takes a lock and gives its token. */
async function take(client: Client): Promise<number> {
  const { status, body } = await client.acquire('a', { ttl: 3600 })
  if (status !== 201) throw new Error(`not granted: ${status}`)
  return body.locks[0].fencing_token
}

const LOOK = ['GET', '/v1/namespaces/tests/resources/thing/a/lock'] as const

async function heldToken(client: Client): Promise<number> {
  return (await client.call(...LOOK)).body.fencing_token
}

t.test('Without DATABASE_URL a first start brings a database, migrates it, and a stop ends it', async t => {
  const dataDir = await dataFolder(t)
  const { service, client } = await start(t, dataDir)
  t.match(service.said.out, `embedded PostgreSQL 18.4, files in ${dataDir}`)
  t.ok(await serverPid(dataDir))
  const token = await take(client)
  t.equal(await service.stop(), 0)
  t.equal(await serverPid(dataDir), undefined, 'PostgreSQL has ended')
  const password = (await readFile(join(dataDir, 'password'), 'utf8')).trim()
  t.notMatch(service.said.out + service.said.err, password)

  const second = await start(t, dataDir)
  t.equal(await heldToken(second.client), token, 'a second start finds its data')
  t.equal(await second.service.stop(), 0)
})

t.test('A lock outlives kill -9 of the service', async t => {
  const dataDir = await usedFolder(t)
  const first = await start(t, dataDir)
  const token = await take(first.client)
  t.equal(await first.service.stop('SIGKILL'), 'SIGKILL')
  const second = await start(t, dataDir)
  t.equal(await heldToken(second.client), token)
  t.equal(await second.service.stop(), 0)
  t.equal(await serverPid(dataDir), undefined, 'what the killed service left behind has ended too')
})

t.test('A lock outlives kill -9 of PostgreSQL, and the service recovers by itself', async t => {
  const dataDir = await usedFolder(t)
  const { service, client } = await start(t, dataDir)
  const token = await take(client)
  await killServer(dataDir)
  await until('it answers again', async () => {
    const { status } = await client.call(...LOOK)
    if (status !== 200) t.ok(status === 503 || status === 504, `trouble is told as such: ${status}`)
    return status === 200
  })
  t.equal(await heldToken(client), token)
  t.equal(await service.stop(), 0)
})

t.test('A lock outlives kill -9 of both', async t => {
  const dataDir = await usedFolder(t)
  const first = await start(t, dataDir)
  const token = await take(first.client)
  await first.service.stop('SIGKILL')
  await killServer(dataDir)
  const second = await start(t, dataDir)
  t.equal(await heldToken(second.client), token)
  t.equal(await second.service.stop(), 0)
})

t.test('With DATABASE_URL no database is started', async t => {
  const dataDir = await usedFolder(t)
  const { service } = await start(t, dataDir)
  const url = (await readFile(join(dataDir, 'url'), 'utf8')).trim()
  const other = join(dataDir, 'other')
  const second = await startService(t, { DATABASE_URL: url, DATA_DIR: other })
  t.match(second.said.out, `database      PostgreSQL at 127.0.0.1:${new URL(url).port}/leasehold`)
  t.notMatch(second.said.out, new URL(url).password)
  t.notOk(existsSync(other))
  t.equal(await second.stop(), 0)
  t.equal(await service.stop(), 0)
})
