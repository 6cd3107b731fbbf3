import t from 'tap'
import { grantedOne, named, openStores } from '../support/database.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { untilTrue } from '../support/waiting.ts'

const TOUCHES = 1000

/** The share of touches that wrote nothing to any index. Other tests' snapshots keep it from being exactly one. */
async function hotShare(t: Parameters<typeof openStores>[0], prepare: string): Promise<number> {
  const stores = await openStores(t, { max: 1 })
  if (prepare !== '') await stores.sql(prepare)
  const locks = []
  for (let number = 0; number < 20; number += 1) {
    locks.push(await grantedOne(stores, `r${number}`, { session: named() }))
  }
  for (let touch = 0; touch < TOUCHES; touch += 1) {
    const lockId = locks[touch % locks.length]?.id ?? ''
    await stores.locks.touch({ namespace: 'tests', lockId, holder: 'alice' })
  }
  // a backend tells its counts when it ends, at the latest
  await stores.database.close()
  await untilTrue(
    stores,
    `select n_tup_upd >= ${TOUCHES} as yes from pg_stat_user_tables where relname = 'sessions'`,
  )
  const [row] = await stores.sql<{ share: number }>(
    `select n_tup_hot_upd::float8 / n_tup_upd as share from pg_stat_user_tables where relname = 'sessions'`,
  )
  return row?.share ?? 0
}

t.test('touches are HOT updates: they grow no index', async t => {
  const share = await hotShare(t, '')
  const indexed = await hotShare(t, 'create index on sessions (expires_at)')
  t.comment(
    `of ${TOUCHES} touches ${(share * 100).toFixed(1)} % are HOT, with an index on expires_at ${(indexed * 100).toFixed(1)} %`,
  )
  t.ok(share > 0.5)
  t.ok(indexed < 0.05, 'which is why there is no such index')
})

t.test('no index holds a time, since every touch would change it', async t => {
  const stores = await openStores(t)
  t.same(
    await stores.sql(
      `select indexrelid::regclass::text as index from pg_index i
       join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
       where i.indrelid in ('sessions'::regclass, 'locks'::regclass) and a.atttypid = 'timestamptz'::regtype`,
    ),
    [],
  )
})

t.test(
  'a reader judges by the clock of before its snapshot: a lock touched in between is not called free',
  async t => {
    const stores = await openStores(t)
    const lock = await grantedOne(stores, 'a', { session: { kind: 'implicit', ttlSeconds: 0.5 } })
    const reader = await connectedTo(t, stores.url)
    await reader.query('begin isolation level repeatable read')
    await reader.query('select from leasehold.sessions')
    await stores.sql("update sessions set ttl = interval '1 hour'")
    await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
    await untilTrue(stores, `select clock_timestamp() > '${lock.expiresAt?.toISOString()}' as yes`)
    const { rows } = await reader.query('select id from leasehold.held_locks')
    t.same(rows, [{ id: lock.id }])
    const byTheLateClock = await reader.query(
      `select l.id from leasehold.locks l join leasehold.sessions s on s.id = l.session_id
     where s.ended_at is null and s.expires_at > clock_timestamp()`,
    )
    t.same(byTheLateClock.rows, [], 'which is what a clock read later would have said')
  },
)

t.test('names and sizes are bounded by the database too', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: named() })
  for (const [column, value] of [
    ['resource_id', ''],
    ['resource_id', 'x'.repeat(1025)],
    ['namespace', 'x'.repeat(256)],
    ['resource_type', ''],
    ['holder', ''],
    ['metadata', '[]'],
    ['metadata', JSON.stringify({ x: 'y'.repeat(262_144) })],
    ['fencing_token', '0'],
  ]) {
    await t.rejects(
      stores.sql(`update locks set ${column} = $1 where id = $2`, [value, lock.id]),
      { code: '23514' },
      `${column} ${value?.slice(0, 10)}`,
    )
  }
  await t.rejects(stores.sql("update sessions set expires_at = 'infinity'"), { code: '23514' })
})
