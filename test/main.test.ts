import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { Client } from './support/client.ts'
import { freshDatabase } from './support/database.ts'
import { heldUp } from './support/held-up.ts'
import { connectedTo } from './support/scratch-database.ts'
import { spawnService, startListening, startService } from './support/service-process.ts'
import { until } from './support/until.ts'

t.setTimeout(240_000)

const UNREACHABLE = 'postgres://me:a-secret@127.0.0.1:1/nothing'

/** Starts a service that cannot start, and gives what it said. */
async function refusedStart(t: Test, environment: Readonly<Record<string, string>>): Promise<string> {
  const service = spawnService(environment)
  t.teardown(() => service.stop('SIGKILL'))
  t.equal(await service.exited, 1, 'exit code')
  t.equal(service.said.out, '')
  return service.said.err
}

async function takenPort(t: Test): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise<void>(resolve => server.close(() => resolve())))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function inUse(port: number): string {
  return `  PORT: ${port} on 127.0.0.1 is in use by another program; stop it or set PORT to another number\n`
}

t.test('Bad settings are named all at once', async t => {
  t.equal(
    await refusedStart(t, { PORT: 'http', DATABASE_URL: 'localhost', LOG_LEVEL: 'loud' }),
    [
      'Leasehold cannot start:',
      '  the settings are not usable (see .env.example):',
      '  PORT: has to be a whole number from 0 to 65535',
      '  DATABASE_URL: has to look like postgres://user:password@host:5432/database',
      '  LOG_LEVEL: is not a level of pino',
      '',
    ].join('\n'),
  )
})

t.test('A port in use is named, and the database is left alone', async t => {
  const port = await takenPort(t)
  const url = await freshDatabase(t)
  const said = await refusedStart(t, { DATABASE_URL: url, PORT: String(port) })
  t.equal(said, `Leasehold cannot start:\n${inUse(port)}`)
  const database = await connectedTo(t, url, 'leasehold')
  t.same((await database.query('select id from api_keys')).rows, [])
})

t.test('An unreachable database and a port in use are named together', async t => {
  const port = await takenPort(t)
  t.equal(
    await refusedStart(t, { DATABASE_URL: UNREACHABLE, PORT: String(port) }),
    'Leasehold cannot start:\n' +
      '  DATABASE_URL: the database cannot be reached: connect ECONNREFUSED 127.0.0.1:1\n' +
      inUse(port),
  )
})

t.test('An address of another machine is named', async t => {
  t.match(
    await refusedStart(t, { DATABASE_URL: UNREACHABLE, HOST: '192.0.2.1' }),
    /\n {2}HOST: 192\.0\.2\.1 is not an address of this machine\n$/,
  )
})

t.test('A database that is not there is named by what the server says', async t => {
  const url = new URL(await freshDatabase(t))
  url.pathname = '/no_such_database'
  t.match(
    await refusedStart(t, { DATABASE_URL: url.href }),
    /\n {2}DATABASE_URL: the database cannot be reached: database "no_such_database" does not exist\n$/,
  )
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} lets the request under way be answered, and the locks stay held`, async t => {
    const { service, lockId, answer, letGo, locks } = await heldUp(t)
    service.child.kill(signal)
    await until('it drains', () => service.said.err.includes('"stopping"'))
    const late = new Client(service.url)
    t.teardown(() => late.close())
    await until('a new connection is refused', async () => {
      const answered = await late.call('GET', '/livez').catch(error => error.code)
      return answered === 'ECONNREFUSED'
    })
    t.equal(service.child.exitCode, null, 'it waits for the request')
    await letGo()
    t.equal((await answer).status, 200)
    t.equal(await service.exited, 0, 'exit code')
    t.same(await locks(), [lockId])
  })
}

t.test('The same signal twice at once, as from a terminal through npm, still stops in order', async t => {
  const { service, answer, letGo } = await heldUp(t)
  service.child.kill('SIGINT')
  await until('it drains', () => service.said.err.includes('"stopping"'))
  service.child.kill('SIGINT')
  service.child.kill('SIGTERM')
  await letGo()
  t.equal((await answer).status, 200)
  t.equal(await service.exited, 0, 'exit code')
})

t.test('A later signal stops at once', async t => {
  const { service, lockId, answer, locks } = await heldUp(t)
  service.child.kill('SIGTERM')
  await until('it drains', () => service.said.err.includes('"stopping"'))
  await until('it is gone', () => {
    service.child.kill('SIGINT')
    return service.child.exitCode !== null
  })
  t.equal(await service.exited, 1, 'exit code')
  await t.rejects(answer)
  t.same(await locks(), [lockId])
})

t.test('After DRAIN_TIMEOUT_MS a stop cuts what is under way', async t => {
  const { service, lockId, answer, locks } = await heldUp(t, {
    DRAIN_TIMEOUT_MS: '50',
    DATABASE_LOCK_TIMEOUT_MS: '2000',
  })
  const code = service.stop('SIGTERM')
  await t.rejects(answer)
  t.equal(await code, 0, 'exit code')
  t.same(await locks(), [lockId])
})

t.test('A stop before the database was ever ready is in order too', async t => {
  const url = await freshDatabase(t)
  const database = await connectedTo(t, url)
  await database.query('drop schema leasehold cascade')
  const service = await startListening(t, { DATABASE_URL: url })
  await until('it is not ready', () => service.said.err.includes('"not ready"'))
  t.equal(await service.stop('SIGTERM'), 0, 'exit code')
  t.equal(service.said.out, '', 'nobody is welcomed')
})

t.test('Of three processes that start at once on a new database, one shows the admin key', async t => {
  const url = await freshDatabase(t)
  const services = await Promise.all(
    [1, 2, 3].map(() => startService(t, { DATABASE_URL: url, BOOTSTRAP_KEY: '' })),
  )
  const keys = services.flatMap(({ said }) => said.out.match(/(?<=export LEASEHOLD_KEY=)\S+/g) ?? [])
  t.equal(keys.length, 1)
  const [key = ''] = keys
  t.match(key, /^lh_[\w-]{43}$/)
  const database = await connectedTo(t, url, 'leasehold')
  t.match((await database.query('select role, namespace from api_keys')).rows, [
    { role: 'admin', namespace: '*' },
  ])
  for (const service of services) {
    const client = new Client(service.url, { key })
    t.teardown(() => client.close())
    t.equal((await client.call('GET', '/v1/keys')).status, 200, 'it opens every process')
    t.equal(await service.stop(), 0)
    t.notMatch(service.said.err, key, 'it is in no log')
  }
  const again = await startService(t, { DATABASE_URL: url, BOOTSTRAP_KEY: '' })
  t.notMatch(again.said.out, /LEASEHOLD_KEY=/, 'a later start shows none')
  t.match(again.said.out, 'Try it, with your key in LEASEHOLD_KEY:')
})

t.test('A BOOTSTRAP_KEY is made by however many processes start, once, and is not shown', async t => {
  const url = await freshDatabase(t)
  const key = 'the-key-of-the-compose-file'
  const services = await Promise.all(
    [1, 2, 3].map(() => startService(t, { DATABASE_URL: url, BOOTSTRAP_KEY: key })),
  )
  const database = await connectedTo(t, url, 'leasehold')
  t.equal((await database.query('select from api_keys')).rowCount, 1)
  for (const { url, said } of services) {
    const client = new Client(url, { key })
    t.teardown(() => client.close())
    t.equal((await client.call('GET', '/v1/keys')).status, 200)
    t.notMatch(said.out + said.err, key)
  }
})
