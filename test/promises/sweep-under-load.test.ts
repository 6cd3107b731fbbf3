import t from 'tap'
import { auditIsEmpty } from '../support/audit.ts'
import { Client } from '../support/client.ts'
import { openStores } from '../support/database.ts'
import { startService } from '../support/service-process.ts'

const EXPIRED = 20_000

t.test('clients notice nothing while twenty thousand expired sessions are swept', async t => {
  const stores = await openStores(t)
  await stores.sql(
    `with dead as (
       insert into sessions
         (id, user_name, client, ttl, named, ends_with_last_lock, started, last_touch, expires_at)
       select gen_random_uuid(), 'ghost', null, interval '1 minute', n % 2 = 0, true, now() - interval '1 hour',
         now() - interval '1 hour', now() - interval '59 minutes'
       from generate_series(1, $1) n
       returning id
     )
     insert into locks (namespace, resource_type, resource_id, session_id, fencing_token, holder, lock_time)
     select 'tests', 'ghost', id::text, id, next_fencing_token(), 'ghost', now() - interval '1 hour' from dead`,
    [EXPIRED],
  )
  const services = await Promise.all(
    [1, 2].map(() => startService(t, { DATABASE_URL: stores.url, SWEEP_INTERVAL_MS: '100' })),
  )
  let sweeping = true
  const statuses: Record<string, number> = {}
  const latenciesMs: number[] = []
  const call = async (answer: Promise<{ status: number; body: { locks: { id: string }[] } }>) => {
    const started = performance.now()
    const { status, body } = await answer
    latenciesMs.push(performance.now() - started)
    statuses[status] = (statuses[status] ?? 0) + 1
    return body
  }
  const work = async (number: number): Promise<void> => {
    const client = new Client(services[number % 2]?.url ?? '', { connections: 1 })
    while (sweeping) {
      const { locks } = await call(client.acquire(`mine ${number}`))
      await call(client.touch(locks[0]?.id ?? ''))
      await call(client.release(locks[0]?.id ?? ''))
    }
    client.close()
  }
  const workers = Array.from({ length: 8 }, (_, number) => work(number))
  const started = performance.now()
  for (;;) {
    const [row] = await stores.sql<{ left: string }>(
      `select count(*) as left from sessions where ended_at is null and expires_at <= now()`,
    )
    if (Number(row?.left) === 0) break
  }
  const sweptMs = performance.now() - started
  sweeping = false
  await Promise.all(workers)
  latenciesMs.sort((a, b) => a - b)
  t.comment(
    `${EXPIRED} sessions swept in ${Math.round(sweptMs)} ms by two services; meanwhile ${JSON.stringify(statuses)}, p99 ${latenciesMs[Math.floor(latenciesMs.length * 0.99)]?.toFixed(1)} ms`,
  )
  t.same(new Set(Object.keys(statuses)), new Set(['200', '201', '204']), 'no error, no conflict')
  t.same(await stores.sql(`select id from locks where resource_type = 'ghost'`), [])
  await auditIsEmpty(t, stores)
})
