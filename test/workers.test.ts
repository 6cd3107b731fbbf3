import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { Client } from './support/client.ts'
import { freshDatabase, openStores } from './support/database.ts'
import { ask, serverPid, usedFolder } from './support/embedded.ts'
import { heldUp } from './support/held-up.ts'
import { spawnService } from './support/service-process.ts'
import { until } from './support/until.ts'
import { clientOf, scrape, startWorkers, whoAnswered, workersThat } from './support/workers.ts'

t.setTimeout(600_000)

const GRANTED = 'leasehold_acquires_total{outcome="granted"}'
const IN_PLACE = 'a worker listens'

/** Whether somebody listens there. */
function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise(resolve => {
    const socket = connect(Number(port), hostname)
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

t.test('Workers share what comes in', async t => {
  const url = await freshDatabase(t)
  const { service, pids, clients } = await startWorkers(t, 3, { DATABASE_URL: url, SWEEP_INTERVAL_MS: '100' })
  const [client] = clients
  if (client === undefined) throw new Error('no client')

  await t.test('the metrics of any of them are sums, those of the first process included', async t => {
    for (const [index, client] of clients.entries()) {
      for (let nth = 0; nth <= index; nth += 1) {
        t.equal((await client.acquire(`${nth} of ${index}`, { ttl: 3600 })).status, 201)
      }
    }
    for (const client of clients) {
      const metrics = await scrape(client)
      t.equal(metrics.get(GRANTED), 1 + 2 + 3)
      t.equal(metrics.get('leasehold_locks_held'), 1 + 2 + 3, 'the database is counted once')
      t.equal(metrics.get('leasehold_sessions_live'), 1 + 2 + 3)
      t.ok((metrics.get('leasehold_database_connections') ?? 0) >= 3, 'connections of each')
      t.ok((metrics.get('process_start_time_seconds') ?? 0) > 0)
    }
    await until('sweeps are told', async () => {
      return ((await scrape(client)).get('leasehold_sweep_duration_seconds_count') ?? 0) > 0
    })
  })

  await t.test('requests are answered by each, and never by the first process', async t => {
    t.equal(new Set(pids).size, 3)
    t.notOk(pids.includes(service.child.pid ?? 0))
    for (const [index, client] of clients.entries()) {
      const answer = await client.acquire(`of ${index}`)
      t.equal(answer.status, 201)
      t.equal(await whoAnswered(service, answer), pids[index])
    }
    t.equal(service.said.out.match(/listens on/g)?.length, 1, 'one welcome')
  })

  await t.test('one of them grants a resource, and all know of it', async t => {
    const stores = await openStores(t, { url })
    for (let round = 0; round < 20; round += 1) {
      const id = `contested ${round}`
      const answers = await Promise.all(
        [...clients, ...clients].map(client => client.acquire(id, { session: randomUUID(), ttl: 3600 })),
      )
      const statuses = answers.map(({ status }) => status).sort()
      t.equal(statuses[0], 201, `one of ${statuses}`)
      t.ok(
        statuses.slice(1).every(status => status === 409 || status === 503),
        `the others of ${statuses}`,
      )
    }
    t.same(
      await stores.sql(`select count(*)::int as locks from locks where resource_id like 'contested %'`),
      [{ locks: 20 }],
    )
    const path = '/v1/namespaces/tests/resources/thing/contested%200/lock'
    const seen = await Promise.all(clients.map(client => client.call('GET', path)))
    t.equal(new Set(seen.map(({ body }) => body.id)).size, 1)
  })
})

t.test('A worker that is killed is replaced; the others go on, and nothing is lost or forgotten', async t => {
  const url = await freshDatabase(t)
  const { service, pids, clients } = await startWorkers(t, 2, { DATABASE_URL: url })
  const [victim = 0] = pids
  const [ofVictim, other] = clients
  if (ofVictim === undefined || other === undefined) throw new Error('no clients')
  t.equal((await ofVictim.acquire('a', { ttl: 3600 })).status, 201)
  t.equal((await other.acquire('b', { ttl: 3600 })).status, 201)
  t.equal((await scrape(other)).get(GRANTED), 2)

  process.kill(victim, 'SIGKILL')
  const answer = await other.acquire('a')
  t.equal(answer.status, 409, 'the lock is a row')
  const [, , replacement = 0] = await until('it is replaced', () => {
    const listening = workersThat(service, IN_PLACE)
    return listening.length === 3 && listening
  })
  t.same(workersThat(service, 'a worker died; another takes its place'), [victim])
  t.match(service.said.err, `"worker":${victim},"code":null,"signal":"SIGKILL"`)
  const ofReplacement = await clientOf(t, service, replacement)
  t.equal((await ofReplacement.acquire('c')).status, 201)
  t.equal(
    await whoAnswered(service, await other.call('GET', '/livez')),
    pids[1],
    'its connection is undisturbed',
  )
  t.equal((await scrape(other)).get(GRANTED), 3, 'what the killed one had told still counts')
  t.equal(await service.stop(), 0)
})

t.test(
  'A worker that gets SIGTERM answers what is under way, tells what it has counted and is replaced',
  async t => {
    const url = await freshDatabase(t)
    const { service, pids, clients } = await startWorkers(t, 2, { DATABASE_URL: url })
    const [victim = 0] = pids
    const [ofVictim, other] = clients
    if (ofVictim === undefined || other === undefined) throw new Error('no clients')
    t.equal((await ofVictim.acquire('a', { ttl: 3600 })).status, 201)
    process.kill(victim, 'SIGTERM')
    await until('it is replaced', () => workersThat(service, IN_PLACE).length === 3)
    t.same(workersThat(service, 'a worker ended; another takes its place'), [victim])
    t.same(workersThat(service, 'a worker died; another takes its place'), [])
    t.equal((await scrape(other)).get(GRANTED), 1, 'though nobody had asked it')
  },
)

t.test(
  'A worker that hangs, or dies while it is asked, makes no scrape fail; one that hangs no stop',
  async t => {
    const url = await freshDatabase(t)
    const { service, pids, clients } = await startWorkers(t, 2, { DATABASE_URL: url, DRAIN_TIMEOUT_MS: '0' })
    const [victim = 0] = pids
    const [ofVictim, other] = clients
    if (ofVictim === undefined || other === undefined) throw new Error('no clients')
    t.equal((await ofVictim.acquire('a')).status, 201)
    t.equal((await scrape(other)).get(GRANTED), 1)
    process.kill(victim, 'SIGSTOP')
    t.equal((await other.acquire('b')).status, 201)
    t.equal((await scrape(other)).get(GRANTED), 2, 'with what it told last')
    const scraped = scrape(other)
    process.kill(victim, 'SIGKILL')
    t.equal((await scraped).get(GRANTED), 2)

    const [, , replacement = 0] = await until('it is replaced', () => {
      const listening = workersThat(service, IN_PLACE)
      return listening.length === 3 && listening
    })
    process.kill(replacement, 'SIGSTOP')
    t.equal(await service.stop(), 0)
    t.match(service.said.err, `"workers":[${replacement}],"msg":"killing workers that do not stop"`)
  },
)

t.test('A worker that dies with a connection on its way to it is replaced', async t => {
  const url = await freshDatabase(t)
  const { service, pids } = await startWorkers(t, 2, { DATABASE_URL: url })
  const [victim = 0] = pids
  process.kill(victim, 'SIGSTOP')
  const { hostname, port } = new URL(service.url)
  // each in its turn is handed one, and gets no other before it has taken it
  const sockets = Array.from({ length: 4 }, () => connect(Number(port), hostname))
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
  })
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  const client = new Client(service.url)
  t.teardown(async () => client.close())
  t.equal((await client.call('GET', '/livez')).status, 200, 'all that came before it have been handed over')
  process.kill(victim, 'SIGKILL')
  await until('it is replaced', () => workersThat(service, IN_PLACE).length === 3)
  t.equal(await service.stop(), 0)
})

t.test('When all workers die at once the service comes back at its address', async t => {
  const url = await freshDatabase(t)
  const { service, pids } = await startWorkers(t, 2, { DATABASE_URL: url })
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await until('both are replaced', () => workersThat(service, IN_PLACE).length === 4)
  const client = new Client(service.url)
  t.teardown(async () => client.close())
  t.equal((await client.call('GET', '/livez')).status, 200)
})

for (const how of ['SIGTERM to the first process', 'Ctrl-C, which every process gets'] as const) {
  t.test(`${how}: requests under way are answered, and the locks stay held`, async t => {
    const { service, lockId, answer, letGo, locks } = await heldUp(t, { WORKERS: '3', LOG_LEVEL: 'debug' })
    if (how.startsWith('SIGTERM')) service.child.kill('SIGTERM')
    else {
      for (const pid of workersThat(service, IN_PLACE)) process.kill(pid, 'SIGINT')
      service.child.kill('SIGINT')
    }
    await until('new connections are refused', async () => !(await isListening(service.url)))
    t.equal(service.child.exitCode, null, 'it waits for the request')
    await letGo()
    t.equal((await answer).status, 200)
    t.equal(await service.exited, 0, 'exit code')
    t.same(await locks(), [lockId])
    t.equal(workersThat(service, IN_PLACE).length, 3, 'none was replaced')
  })
}

t.test('A later signal ends every process at once', async t => {
  const { service, answer } = await heldUp(t, { WORKERS: '2' })
  service.child.kill('SIGTERM')
  await until('it drains', () => service.said.err.includes('"stopping"'))
  await until('it is gone', () => {
    service.child.kill('SIGTERM')
    return service.child.exitCode !== null
  })
  await t.rejects(answer)
  // its output is closed when nobody writes to it any more
  t.equal(await service.exited, 1, 'exit code')
})

t.test('Workers whose first process is killed answer what is under way and end', async t => {
  const { service, answer, letGo } = await heldUp(t, { WORKERS: '2' })
  service.child.kill('SIGKILL')
  await until('they know', () => service.said.err.split('the first process is gone; stopping').length === 3)
  await until('new connections are refused', async () => !(await isListening(service.url)))
  await letGo()
  t.equal((await answer).status, 200)
  // its output is closed when nobody writes to it any more
  t.equal(await service.exited, 'SIGKILL')
})

/** Starts a service that cannot start, and gives what it said when none of its processes is left. */
async function refusedStart(t: Test, environment: Readonly<Record<string, string>>): Promise<string> {
  const service = spawnService({ WORKERS: '3', LOG_LEVEL: 'fatal', ...environment })
  t.teardown(() => service.stop('SIGKILL'))
  t.equal(await service.exited, 1, 'exit code')
  t.equal(service.said.out, '')
  return service.said.err
}

t.test('A port in use is named once, and no worker stays behind', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise<void>(resolve => server.close(() => resolve())))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  t.equal(
    await refusedStart(t, { DATABASE_URL: await freshDatabase(t), PORT: String(address.port) }),
    'Leasehold cannot start:\n' +
      `  PORT: ${address.port} on 127.0.0.1 is in use by another program; stop it or set PORT to another number\n`,
  )
})

t.test('An address of another machine is named once', async t => {
  t.equal(
    await refusedStart(t, { DATABASE_URL: await freshDatabase(t), HOST: '192.0.2.1' }),
    'Leasehold cannot start:\n  HOST: 192.0.2.1 is not an address of this machine\n',
  )
})

/** NODE_OPTIONS that run a piece of code first in every process; `id` is that of a worker. */
function firstOfAll(t: Test, code: string): Readonly<Record<string, string>> {
  const folder = t.testdir({ 'first.cjs': `const id = require("node:cluster").worker?.id\n${code}` })
  return { NODE_OPTIONS: `--require ${folder}/first.cjs` }
}

t.test('A worker that dies while it starts is named, and the service does not start', async t => {
  t.equal(
    await refusedStart(t, {
      DATABASE_URL: await freshDatabase(t),
      ...firstOfAll(t, 'if (id === 2) process.exit(7)'),
    }),
    'Leasehold cannot start:\n  a worker process died while it started: exit code 7\n',
  )
})

t.test(
  'Ctrl-C that meets a worker while it starts is no fault: the service starts, and then stops',
  async t => {
    const { service } = await startWorkers(t, 2, {
      DATABASE_URL: await freshDatabase(t),
      ...firstOfAll(t, 'if (id === 2) process.kill(process.pid, "SIGINT")'),
    })
    t.equal(workersThat(service, 'a worker ended; another takes its place').length, 1)
    t.equal(await service.stop(), 0)
  },
)

t.test('Workers share the embedded database, which has room for them and is stopped last', async t => {
  const dataDir = await usedFolder(t)
  const { service, clients } = await startWorkers(t, 2, { DATA_DIR: dataDir, DATABASE_POOL_SIZE: '60' })
  const [first, second] = clients
  if (first === undefined || second === undefined) throw new Error('no clients')
  t.equal((await first.acquire('a', { ttl: 3600 })).status, 201)
  t.equal((await second.acquire('a')).status, 409)
  const [, url = ''] = /look inside {3}psql "\$\(cat (.*)\)"/.exec(service.said.out) ?? []
  const [settings] = await ask<{ max: number }>(
    (await readFile(url, 'utf8')).trim(),
    "select current_setting('max_connections')::int as max",
  )
  t.ok((settings?.max ?? 0) >= 2 * (60 + 4) + 4)
  t.equal(await service.stop(), 0)
  t.equal(await serverPid(dataDir), undefined, 'PostgreSQL has ended')
  t.notMatch(service.said.err, /"level":(?:40|50|60)/, 'nobody missed it')
})
