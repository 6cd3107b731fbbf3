import { connect, createServer, type Server } from 'node:net'
import pg from 'pg'
import t from 'tap'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import { Client } from '../support/client.ts'
import { ownServer } from '../support/own-server.ts'
import { startService } from '../support/service-process.ts'

const ACQUIRES = 50

/** Stands between service and server and counts the answers that end a round trip (ReadyForQuery). */
async function countingProxy(
  target: URL,
): Promise<{ server: Server; url: string; roundTrips: () => number }> {
  let roundTrips = 0
  const server = createServer(client => {
    const upstream = connect(Number(target.port), target.hostname)
    let rest = Buffer.alloc(0)
    client.pipe(upstream)
    upstream.pipe(client)
    upstream.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 5) {
        const length = 1 + rest.readInt32BE(1)
        if (rest.length < length) break
        if (rest[0] === 'Z'.charCodeAt(0)) roundTrips += 1
        rest = rest.subarray(length)
      }
    })
    for (const socket of [client, upstream]) {
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        upstream.destroy()
      })
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = new URL(target)
  url.port = String(typeof address === 'object' ? address?.port : '')
  return { server, url: url.href, roundTrips: () => roundTrips }
}

t.test('an acquire is one round trip and one fsync', async t => {
  const { postgres } = await ownServer(t)
  await migrateUp({ url: postgres.url, schema: 'leasehold' })
  const proxy = await countingProxy(new URL(postgres.url))
  t.teardown(() => {
    proxy.server.close()
  })

  /** A service from start to stop, with so many acquires in between. */
  const run = async (acquires: number) => {
    const service = await startService(t, { DATABASE_URL: proxy.url, SWEEP_INTERVAL_MS: '86400000' })
    const client = new Client(service.url, { connections: 1 })
    // opens the connection and makes the key known, which is not what is measured
    await client.call('GET', '/v1/sessions')
    const trips: number[] = []
    for (let index = 0; index < acquires; index += 1) {
      const before = proxy.roundTrips()
      const { status } = await client.acquire(`run ${acquires} ${index}`)
      if (status !== 201) t.fail(`acquire ${index} is answered ${status}`)
      trips.push(proxy.roundTrips() - before)
    }
    client.close()
    await service.stop()
    return trips
  }

  const idle = await fsyncsOf(postgres.url, () => run(0))
  const busy = await fsyncsOf(postgres.url, () => run(ACQUIRES))
  const perAcquire = (busy.fsyncs - idle.fsyncs) / ACQUIRES
  const most = Math.max(...busy.result)
  t.comment(`${ACQUIRES} acquires: at most ${most} round trips each, ${perAcquire} fsyncs each on average`)
  t.equal(busy.result.length, ACQUIRES)
  t.ok(most <= 2, 'one for the acquire, and one where the key was looked up again')
  t.equal(busy.result.filter(trips => trips === 1).length >= ACQUIRES - 2, true)
  t.ok(perAcquire > 0.9 && perAcquire <= 1.1)
})

/** How often backends flushed the log while `task` ran. A backend tells when it ends, at the latest. */
async function fsyncsOf<Result>(url: string, task: () => Promise<Result>) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const read = async (): Promise<number> => {
    for (;;) {
      const { rows } = await client.query(
        `select (select sum(fsyncs) from pg_stat_io where object = 'wal' and backend_type = 'client backend') as fsyncs,
           (select count(*) from pg_stat_activity where application_name = 'leasehold') as services`,
      )
      if (Number(rows[0].services) === 0) return Number(rows[0].fsyncs)
    }
  }
  const before = await read()
  const result = await task()
  const fsyncs = (await read()) - before
  await client.end()
  return { result, fsyncs }
}
