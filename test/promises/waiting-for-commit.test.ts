import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import { type Answer, Client } from '../support/client.ts'
import { Cluster, installedBinaries, NO_CLUSTERS } from '../support/cluster.ts'
import { startService } from '../support/service-process.ts'
import { until } from '../support/until.ts'

/** A request is answered two seconds after this at the latest. */
const STATEMENT_TIMEOUT_MS = 500

const CLIENTS = 16

/** Acknowledged grants before the standby stops. */
const GRANTS = 200

interface Pair {
  readonly primary: Cluster
  readonly standby: Cluster
  readonly client: Client
}

type Binaries = Parameters<typeof Cluster.create>[1]
type Settings = Readonly<Record<string, string>>

/** A primary whose commits wait for its standby, and a service on it that sends each request alone. */
async function pair(t: Test, binaries: Binaries, settings: Settings = {}): Promise<Pair> {
  const primary = await Cluster.create(t, binaries, settings)
  await migrateUp({ url: primary.url, schema: 'leasehold' })
  const standby = await primary.copy(t, { standby: 'standby1' })
  await standby.start()
  await primary.sql(`alter system set synchronous_standby_names = 'standby1'`)
  await primary.sql('select pg_reload_conf()')
  await until('the standby is synchronous', async () => {
    const [row] = await primary.sql<{ yes: boolean }>(
      `select exists (select from pg_stat_replication where sync_state = 'sync') as yes`,
    )
    return row?.yes
  })
  const isUnsafe = settings.synchronous_commit !== undefined
  return { primary, standby, client: await serve(t, primary, isUnsafe) }
}

async function serve(t: Test, cluster: Cluster, isUnsafe = false): Promise<Client> {
  const service = await startService(t, {
    DATABASE_URL: cluster.url,
    DATABASE_STATEMENT_TIMEOUT_MS: String(STATEMENT_TIMEOUT_MS),
    DATABASE_POOL_SIZE: String(2 * CLIENTS),
    BATCH_SIZE: '1',
    ALLOW_UNSAFE_DATABASE: String(isUnsafe),
  })
  const client = new Client(service.url, { connections: 2 * CLIENTS })
  t.teardown(() => client.close())
  return client
}

/** The backends whose commits wait for the standby. */
async function waiting(primary: Cluster, count: number): Promise<readonly number[]> {
  return await until(`${count} commits wait`, async () => {
    const rows = await primary.sql<{ pid: number }>(
      `select pid from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'leasehold'`,
    )
    return rows.length >= count && rows.map(({ pid }) => pid)
  })
}

/** The standby takes the primary's place, with what it had on its disk when it was killed. */
async function failOver({ primary, standby }: Pair): Promise<void> {
  await primary.kill()
  await standby.kill()
  await standby.start()
  await standby.promote()
}

const lockOf = (client: Client, id: string) =>
  client.call('GET', `/v1/namespaces/tests/resources/thing/${id}/lock`)

/** A restarted primary shows what the standby has not got: reads promise order, not durability. */
async function shownBy(client: Client, id: string): Promise<Answer> {
  return await until(`the service is connected again and shows ${id}`, async () => {
    const answer = await lockOf(client, id)
    return answer.status === 200 && answer
  })
}

const isUnknown = ({ status, body }: Answer) =>
  (status === 503 || status === 504) && body.outcome === 'unknown'

/** An acquire that can be repeated. */
function repeatable(client: Client, id: string, session: string = randomUUID()) {
  return { session, send: (to = client) => to.acquire(id, { session, ttl: 3600 }) }
}

for (const [version, binaries] of await installedBinaries()) {
  const skip = NO_CLUSTERS

  t.test(
    `PostgreSQL ${version}: what waits for the standby is unknown, and so is its repeat, until the standby has it`,
    { skip },
    async t => {
      const servers = await pair(t, binaries)
      const { primary, standby, client } = servers
      const acknowledged = (await repeatable(client, 'acknowledged').send()).body.locks[0]
      const toRelease = (await repeatable(client, 'to-release').send()).body.locks[0]
      const toTouch = (await repeatable(client, 'to-touch').send()).body.locks[0]
      await standby.pause()

      const cut = repeatable(client, 'cut')
      const cutAnswer = cut.send()
      await primary.sql('select pg_terminate_backend($1)', [(await waiting(primary, 1))[0]])
      t.match(await cutAnswer, { status: 503, body: { outcome: 'unknown' } }, 'the connection was cut')

      const cancelled = repeatable(client, 'cancelled')
      const cancelledAnswer = cancelled.send()
      await primary.sql('select pg_cancel_backend($1)', [(await waiting(primary, 1))[0]])
      t.match(
        await cancelledAnswer,
        { status: 503, body: { outcome: 'unknown' } },
        'the wait was cancelled, which PostgreSQL calls a success',
      )

      const late = repeatable(client, 'late')
      const answers = [
        late.send(),
        client.release(toRelease.id),
        client.touch(toTouch.id),
        client.acquire('lone'),
      ]
      for (const answer of await Promise.all(answers)) {
        t.match(answer, { status: 504, body: { outcome: 'unknown' } }, 'nobody knows, and in time')
      }

      await primary.kill()
      await primary.start()
      for (const id of ['cut', 'cancelled', 'late']) await shownBy(client, id)
      t.ok(
        (await Promise.all([cut.send(), cancelled.send(), late.send()])).every(isUnknown),
        'but whoever asks again is not told that it holds it: the standby has not got it',
      )

      await failOver(servers)
      const next = await serve(t, standby)
      t.match(
        await lockOf(next, 'acknowledged'),
        { status: 200, body: { id: acknowledged.id, fencing_token: acknowledged.fencing_token } },
        'what was acknowledged is there',
      )
      for (const [id, request] of Object.entries({ cut, cancelled, late })) {
        t.equal((await lockOf(next, id)).status, 404, `${id} is lost, and was acknowledged to nobody`)
        const again = await request.send(next)
        t.equal(again.status, 201)
        t.ok(again.body.locks[0].fencing_token > acknowledged.fencing_token)
      }
      t.equal((await next.touch(toTouch.id)).status, 200)
      t.equal((await next.release(toRelease.id)).status, 204, 'the release is lost, and is done again')
    },
  )

  t.test(
    `PostgreSQL ${version}: a repeat is answered once the standby is back, and then survives the primary`,
    { skip },
    async t => {
      const servers = await pair(t, binaries)
      const { primary, standby, client } = servers
      await standby.pause()
      const request = repeatable(client, 'a')
      t.ok(isUnknown(await request.send()))
      await primary.kill()
      await primary.start()
      const shown = await shownBy(client, 'a')
      const repeat = request.send()
      await waiting(primary, 1)
      await standby.resume()
      const answer = await repeat
      t.match(answer, { status: 200, body: { locks: [{ id: shown.body.id, existing: true }] } })
      await failOver(servers)
      const { id, fencing_token } = answer.body.locks[0]
      t.match(await lockOf(await serve(t, standby), 'a'), { status: 200, body: { id, fencing_token } })
    },
  )

  t.test(
    `PostgreSQL ${version}: many at once, while the standby stops, the primary crashes and is lost`,
    { skip },
    async t => {
      const servers = await pair(t, binaries)
      const { primary, standby, client } = servers
      const granted = new Map<string, { readonly token: number; readonly session: string }>()
      const unknown = new Map<string, string>()
      const others: Answer[] = []
      let isOver = false
      let number = 0
      const work = async (): Promise<void> => {
        while (!isOver) {
          number += 1
          const id = `r${number}`
          const { session, send } = repeatable(client, id)
          let answer = await send()
          if (isUnknown(answer) && !isOver) answer = await send()
          if (answer.status === 201 || answer.status === 200) {
            granted.set(id, { token: answer.body.locks[0].fencing_token, session })
          } else if (isUnknown(answer)) unknown.set(id, session)
          else if (answer.body?.outcome !== 'unchanged') others.push(answer)
        }
      }
      const workers = Array.from({ length: CLIENTS }, work)
      await until('enough is granted', () => granted.size >= GRANTS)
      await standby.pause()
      const cut = await waiting(primary, CLIENTS)
      await primary.sql('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [cut])
      await waiting(primary, CLIENTS / 2)
      await primary.kill()
      await primary.start()
      await waiting(primary, CLIENTS / 2)
      isOver = true
      await failOver(servers)
      await Promise.all(workers)

      const next = await serve(t, standby)
      const rows = await standby.sql<{ id: string; token: string }>(
        'select resource_id as id, fencing_token as token from leasehold.held_locks',
      )
      const found = new Map(rows.map(({ id, token }) => [id, Number(token)]))
      const lost = [...granted].filter(([id, { token }]) => found.get(id) !== token)
      const lostUnknown = [...unknown.keys()].filter(id => !found.has(id))
      t.comment(
        `${granted.size} acknowledged, ${lost.length} of them lost; ${unknown.size} unknown, ${lostUnknown.length} of them lost`,
      )
      t.same(lost, [], 'no acknowledged grant is lost')
      t.same(others, [], 'every other answer says that nothing is known, or that nothing was changed')
      t.ok(
        lostUnknown.length > 0,
        'some that nobody knew of are lost, so they had better not been acknowledged',
      )
      const greatest = Math.max(...[...granted.values()].map(({ token }) => token))
      for (const [id, session] of [...unknown].slice(0, CLIENTS)) {
        const answer = await repeatable(next, id, session).send()
        t.ok(answer.status === 201 || answer.status === 200, 'and can be repeated')
        t.ok(found.has(id) || answer.body.locks[0].fencing_token > greatest)
      }
    },
  )

  for (const level of ['local', 'off']) {
    t.test(
      `PostgreSQL ${version}: with synchronous_commit ${level}, which has to be allowed, acknowledged grants are lost`,
      { skip },
      async t => {
        const servers = await pair(t, binaries, { synchronous_commit: level })
        await servers.standby.pause()
        t.equal((await repeatable(servers.client, 'a').send()).status, 201, 'nothing waits')
        await failOver(servers)
        t.equal((await lockOf(await serve(t, servers.standby), 'a')).status, 404)
      },
    )
  }
}
