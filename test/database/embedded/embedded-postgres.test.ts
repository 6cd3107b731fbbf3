import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { EmbeddedPostgres } from '../../../src/database/embedded/embedded-postgres.ts'
import {
  ask,
  dataFolder,
  EmbeddedProcess,
  type Event,
  serverPid,
  usedFolder,
} from '../../support/embedded.ts'

t.test(
  'A first start makes a durable database that a second start finds again, at the same place',
  async t => {
    const dataDir = await dataFolder(t)
    const first = await EmbeddedPostgres.start({ dataDir })
    t.match(first.version, /^18\.\d+$/)
    t.equal(first.role, 'owner')
    t.match(first.url, /^postgres:\/\/leasehold:[0-9a-f]{48}@127\.0\.0\.1:\d+\/leasehold$/)
    t.equal(await readFile(join(dataDir, 'url'), 'utf8'), `${first.url}\n`)
    const settings = await ask<{ name: string; setting: string }>(
      first.url,
      `select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit',
       'data_checksums', 'jit', 'max_connections', 'client_connection_check_interval', 'deadlock_timeout',
       'server_encoding', 'listen_addresses', 'unix_socket_directories', 'password_encryption')`,
    )
    t.same(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
      fsync: 'on',
      full_page_writes: 'on',
      synchronous_commit: 'on',
      data_checksums: 'on',
      jit: 'off',
      max_connections: '100',
      client_connection_check_interval: '500',
      deadlock_timeout: '200',
      server_encoding: 'UTF8',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      password_encryption: 'scram-sha-256',
    })
    await ask(first.url, 'create table kept as select 42 as answer')
    await Promise.all([first.stop(), first.stop()])
    t.equal(await serverPid(dataDir), undefined, 'nothing runs after stop')

    const second = await EmbeddedPostgres.start({ dataDir })
    t.equal(second.url, first.url)
    t.same(await ask(second.url, 'select answer from kept'), [{ answer: 42 }])
    await second.stop()
  },
)

t.test('Nobody else on the machine can read the password, and nobody gets in without it', async t => {
  const dataDir = await dataFolder(t)
  const embedded = await EmbeddedPostgres.start({ dataDir })
  t.teardown(() => embedded.stop())
  for (const name of ['password', 'url', 'postgres.log']) {
    t.equal((await stat(join(dataDir, name))).mode & 0o777, 0o600, name)
  }
  t.equal((await stat(join(dataDir, 'postgres'))).mode & 0o777, 0o700)
  const wrong = new URL(embedded.url)
  wrong.password = 'guessed'
  await t.rejects(ask(wrong.href, 'select 1'), { code: '28P01' })
})

t.test('Settings of the caller override ours', async t => {
  const dataDir = await usedFolder(t)
  const embedded = await EmbeddedPostgres.start({ dataDir, settings: { max_connections: '30', jit: 'on' } })
  t.teardown(() => embedded.stop())
  t.same(
    await ask(embedded.url, `select current_setting('max_connections') as n, current_setting('jit') as jit`),
    [{ n: '30', jit: 'on' }],
  )
})

t.test('A port that was taken meanwhile is changed, and the url with it', async t => {
  const dataDir = await usedFolder(t)
  const first = await EmbeddedPostgres.start({ dataDir })
  await first.stop()
  const port = Number(new URL(first.url).port)
  const squatter = createServer().listen(port, '127.0.0.1')
  t.teardown(() => void squatter.close())
  const second = await EmbeddedPostgres.start({ dataDir })
  t.teardown(() => second.stop())
  t.not(new URL(second.url).port, String(port))
  t.equal(await readFile(join(dataDir, 'url'), 'utf8'), `${second.url}\n`)
  t.same(await ask(second.url, 'select 1 as one'), [{ one: 1 }])
})

t.test('A process that has stopped its server ends by itself', async t => {
  const dataDir = await usedFolder(t)
  const service = new EmbeddedProcess(t, dataDir)
  t.match(await service.outcome(), { event: 'started', role: 'owner' })
  t.equal(await service.stop(), 0)
  t.equal(await serverPid(dataDir), undefined)
})

t.test('A log that has grown long is put aside at a start', async t => {
  const dataDir = await usedFolder(t)
  await writeFile(join(dataDir, 'postgres.log'), Buffer.alloc(10 * 1024 * 1024 + 1, 'x'))
  const embedded = await EmbeddedPostgres.start({ dataDir })
  await embedded.stop()
  t.ok((await stat(join(dataDir, 'postgres.log'))).size < 100_000)
  t.equal((await stat(join(dataDir, 'postgres.log.1'))).size, 10 * 1024 * 1024 + 1)
})

t.test('Expected refusals of statements do not fill the log', async t => {
  const dataDir = await usedFolder(t)
  const embedded = await EmbeddedPostgres.start({ dataDir })
  t.teardown(() => embedded.stop())
  await t.rejects(ask(embedded.url, 'select 1/0'), { code: '22012' })
  t.notMatch(await readFile(join(dataDir, 'postgres.log'), 'utf8'), 'division')
})

t.test('The events tell what happens, and never the password', async t => {
  const dataDir = await dataFolder(t)
  const events: Event[] = []
  const embedded = await EmbeddedPostgres.start({ dataDir, onEvent: event => events.push(event) })
  await embedded.stop()
  t.same(
    events.map(({ event }) => event),
    ['embedded_postgres_initialising', 'embedded_postgres_ready', 'embedded_postgres_stopped'],
  )
  t.notMatch(JSON.stringify(events), new URL(embedded.url).password)
})
