import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { Client } from './support/client.ts'
import { freshDatabase } from './support/database.ts'
import { connectedTo } from './support/scratch-database.ts'
import { ADMIN_KEY, spawnService, startService } from './support/service-process.ts'
import { directOnly } from './support/through-pooler.ts'
import { until } from './support/until.ts'

t.setTimeout(240_000)

/** The address of a database with a password in it, whether or not the server of the tests asks for one. */
async function addressWithPassword(t: Parameters<typeof freshDatabase>[0]): Promise<URL> {
  const url = new URL(await freshDatabase(t))
  if (url.password === '') url.password = 'the-password-of-the-database'
  return url
}

function basic(user: string, key: string): string {
  return `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`
}

t.test('No secret is in the logs or the output, whatever is asked at the finest level', async t => {
  const address = await addressWithPassword(t)
  const service = await startService(t, { DATABASE_URL: address.href, LOG_LEVEL: 'trace' })
  const client = new Client(service.url)
  t.teardown(() => client.close())

  const made = await client.call('POST', '/v1/keys', { user: 'steves', role: 'locker', namespace: '*' })
  t.equal(made.status, 201)
  const { key } = made.body
  const ask = async (path: string, authorization: string) =>
    (await fetch(service.url + path, { headers: { authorization } })).status
  const locks = '/v1/namespaces/tests/locks'
  const wrong = 'a-key-that-is-not-known-here'
  t.equal(await ask(locks, `Bearer ${key}`), 200)
  t.equal(await ask(locks, basic('steves', key)), 200)
  t.equal(await ask(locks, basic('somebody', key)), 401)
  t.equal(await ask(locks, `Bearer ${wrong}`), 401)
  t.equal(await ask(locks, `Digest ${wrong}`), 401)
  t.equal(await ask(`${locks}?key=${key}`, `Bearer ${key}`), 400)
  t.equal(await ask(`/v1/nothing/${key}`, `Bearer ${key}`), 404)

  // trouble brings errors of the driver into the log, with all that hangs on them
  const database = await connectedTo(t, address.href, 'leasehold')
  await database.query('alter table locks rename to gone')
  t.ok((await client.acquire('a')).status >= 500)
  await database.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
  )
  await client.call('GET', '/readyz')
  // behind a pooler it is the pooler's connections that break
  const isDirect = directOnly('it breaks its own connections') === false
  const failure = isDirect ? 'an idle database connection broke' : '"err":{'
  await until('the failure is logged', () => service.said.err.includes(failure))
  t.equal(await service.stop(), 0)

  const said = service.said.out + service.said.err
  t.match(said, '"user":"steves"', 'the log says who')
  for (const secret of [ADMIN_KEY, key, wrong, address.password]) t.notOk(said.includes(secret), secret)
  t.notOk(said.includes(basic('steves', key).slice('Basic '.length)))
  t.notMatch(service.said.err, /bearer|basic/i, 'no header is logged, whatever it holds')
  t.notMatch(said, /secretKey|connectionParameters/, 'nor what is known of a connection')
})

t.test('A service that cannot start does not tell the password of its database', async t => {
  const password = 'the-password-of-the-database'
  const addresses = [
    `postgres://me:${password}@127.0.0.1:1/db`,
    `postgres://me:${password}@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/no/such/file`,
    `mysql://me:${password}@127.0.0.1/db`,
    `postgres://me:${password}@[/db`,
  ]
  for (const address of addresses) {
    const service = spawnService({ DATABASE_URL: address, LOG_LEVEL: 'trace', BOOTSTRAP_KEY: 'short' })
    t.teardown(() => service.stop('SIGKILL'))
    t.equal(await service.exited, 1, address)
    t.notOk((service.said.out + service.said.err).includes(password))
  }
  const refused = await addressWithPassword(t)
  refused.password = password
  refused.username = 'nobody_of_this_name'
  const service = spawnService({ DATABASE_URL: refused.href, LOG_LEVEL: 'trace' })
  t.teardown(() => service.stop('SIGKILL'))
  t.equal(await service.exited, 1)
  t.notOk((service.said.out + service.said.err).includes(password))
})

t.test('A log that nobody reads takes a bounded memory, and says how many lines it lost', async t => {
  const lines = 400
  const script = `
    import { setImmediate as turn } from 'node:timers/promises'
    import { createLogger } from ${JSON.stringify(new URL('../src/logging.js', import.meta.url).href)}
    const log = createLogger('info', { maxWaitingBytes: 1024 * 1024 })
    for (let line = 0; line < ${lines}; line += 1) {
      log.info({ text: 'x'.repeat(10_000) }, 'written')
      await turn()
    }
    process.stdout.write('done')
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const said = (await text(child.stderr)).trimEnd().split('\n')
  const loss = JSON.parse(said.pop() ?? '')
  t.match(loss, { level: 40, msg: /lost/ })
  t.equal(said.length + loss.lines, lines)
  // what is on its way in pipes and streams comes on top
  t.ok(said.length < 200, `${said.length} lines of 10 kB were kept`)
})
