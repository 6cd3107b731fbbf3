import { once as event } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { sql } from 'kysely'
import t from 'tap'
import { Database } from '../../src/database/database.ts'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import { DatabaseTrouble } from '../../src/locks/errors.ts'
import { Client } from '../support/client.ts'
import {
  acquire,
  faults,
  freshDatabase,
  grantedOne,
  named,
  once,
  openStores,
  POOL_SETTINGS,
} from '../support/database.ts'
import { ownServer } from '../support/own-server.ts'
import { eventually } from '../support/processes.ts'
import { connectedTo } from '../support/scratch-database.ts'
import { startService } from '../support/service-process.ts'
import { untilTrue, untilWaiting } from '../support/waiting.ts'

function open(
  t: Parameters<typeof openStores>[0],
  url: string,
  settings: Partial<typeof POOL_SETTINGS> = {},
) {
  const database = new Database({ ...POOL_SETTINGS, ...settings, url }, 'leasehold')
  t.teardown(() => database.close())
  return database
}

async function troubleOf(work: Promise<unknown>): Promise<DatabaseTrouble> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof DatabaseTrouble)) throw new Error(`no trouble but ${error}`)
  return error
}

t.test('Closing lets go of every connection, whoever opened it', async t => {
  const url = await freshDatabase(t)
  const plain = open(t, url)
  await plain.run('select 1', [])
  const built = open(t, url)
  await built.kysely.selectFrom('users').select('id').execute()
  for (const database of [plain, built]) {
    t.equal(database.connections.total, 1)
    await database.close()
    t.equal(database.connections.total, 0)
  }
})

t.test('A connection that breaks is news as long as nobody has closed it', async t => {
  const url = await freshDatabase(t)
  const observer = await connectedTo(t, url, 'leasehold')
  let hold = () => {}
  let left = Promise.resolve<unknown>(undefined)
  const proxy = createServer({ allowHalfOpen: true }, client => {
    const server = connect(Number(new URL(url).port), new URL(url).hostname)
    for (const socket of [client, server]) socket.on('error', () => {})
    client.pipe(server).pipe(client)
    hold = () => client.unpipe(server).resume()
    left = event(client, 'close')
  })
  t.teardown(() => proxy.close())
  await event(proxy.listen(0, '127.0.0.1'), 'listening')
  const behind = new URL(url)
  behind.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`

  const broken = async (close: boolean) => {
    const news: string[] = []
    const database = open(t, behind.href, { onIdleError: error => news.push(error.message) })
    const [backend] = await database.run<{ pid: number }>('select pg_backend_pid() as pid', [])
    // its goodbye must not get there first
    hold()
    if (close) await database.close()
    await observer.query('select pg_terminate_backend($1)', [backend?.pid])
    await left
    return news
  }
  t.match(await broken(false), [/terminating connection/])
  t.strictSame(await broken(true), [])
})

t.test('connections carry the settings that the statements count on', async t => {
  const database = open(t, await freshDatabase(t), { statementTimeoutMs: 1234, lockTimeoutMs: 321 })
  const [row] = await database.run(
    `select current_setting('statement_timeout') as statement_timeout, current_setting('lock_timeout') as lock_timeout,
       current_setting('idle_in_transaction_session_timeout') as idle, current_setting('jit') as jit,
       current_setting('plan_cache_mode') as plans, current_setting('enable_seqscan') as scans,
       current_setting('client_connection_check_interval') as check,
       current_setting('transaction_isolation') as isolation,
       current_setting('max_parallel_workers_per_gather') as helpers`,
    [],
  )
  t.same(row, {
    statement_timeout: '1234ms',
    lock_timeout: '321ms',
    idle: '2s',
    jit: 'off',
    plans: 'force_generic_plan',
    scans: 'off',
    check: '500ms',
    isolation: 'read committed',
    helpers: '0',
  })
})

t.test('behind a transaction pooler nothing is left on the connection', async t => {
  const database = open(t, await freshDatabase(t), { transactionPooler: true, max: 1 })
  await database.run('select $1::int as one', [1])
  t.same(await database.run('select name from pg_prepared_statements', []), [])
  t.same(await database.run(`select current_setting('plan_cache_mode') as plans`, []), [{ plans: 'auto' }])
})

t.test('statements are prepared once a connection, and survive a change of their result', async t => {
  const url = await freshDatabase(t)
  const database = open(t, url, { max: 1 })
  await once(url, 'create table leasehold.thing (a int)')
  for (let time = 0; time < 3; time += 1)
    await database.run('select * from leasehold.thing where a > $1', [0])
  const [count] = await database.run<{ n: number }>(
    `select count(*)::int as n from pg_prepared_statements where statement like 'select * from leasehold.thing%'`,
    [],
  )
  t.equal(count?.n, 1)
  await once(url, 'alter table leasehold.thing add b int; insert into leasehold.thing values (1, 2)')
  t.same(await database.run('select * from leasehold.thing where a > $1', [0]), [{ a: 1, b: 2 }])
})

t.test('a statement has the same name in every process, and no other has it', async t => {
  const url = await freshDatabase(t)
  const names = async (...texts: string[]) => {
    const database = open(t, url, { max: 1 })
    for (const text of texts) await database.run(text, [])
    return database.run<{ name: string }>(
      `select name from pg_prepared_statements where statement like 'select _' order by statement`,
      [],
    )
  }
  const first = await names('select 1', 'select 2')
  t.equal(new Set(first.map(({ name }) => name)).size, 2)
  t.same(await names('select 2', 'select 1'), first, 'whatever was prepared before')
})

t.test('however many texts callers bring about, what is written in SQL keeps its plan', async t => {
  const database = open(t, await freshDatabase(t), { max: 1 })
  for (let count = 1; count <= 250; count += 1) {
    const columns = Array.from({ length: count }, (_, index) => sql`${sql.lit(index)}`)
    await sql`select ${sql.join(columns)}`.execute(database.kysely)
  }
  await database.run('select 1 as one', [])
  const [named] = await database.run<{ built: number; written: number }>(
    `select count(*) filter (where statement like 'select 0%')::int as built,
       count(*) filter (where statement = 'select 1 as one')::int as written
     from pg_prepared_statements`,
    [],
  )
  t.same(named, { built: 200, written: 1 })
})

t.test('closing does not wait for a statement of a minute', async t => {
  const database = open(t, await freshDatabase(t), { statementTimeoutMs: 120_000 })
  const slow = troubleOf(database.run('select pg_sleep(100)', []))
  await eventually('the statement is under way', async () => database.connections.total === 1)
  await database.close()
  t.match(await slow, { code: 'database_unavailable', outcome: 'unknown' })
})

t.test('a connection that dies in use is trouble of unknown outcome, and the next one works', async t => {
  const stores = await openStores(t)
  const session = named()
  await grantedOne(stores, 'a', { session })
  const blocker = await connectedTo(t, stores.url)
  await blocker.query('begin')
  await blocker.query('select from leasehold.sessions for update')
  const waiting = troubleOf(acquire(stores, 'b', { session }))
  await untilWaiting(stores, 1)
  await stores.sql(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`,
  )
  t.match(await waiting, { code: 'database_unavailable', outcome: 'unknown' })
  await blocker.query('commit')
  t.equal((await acquire(stores, 'b', { session })).kind, 'granted')
})

t.test('a row that stays locked is a time-out that changed nothing', async t => {
  const stores = await openStores(t, { lockTimeoutMs: 50 })
  const session = named()
  await grantedOne(stores, 'a', { session })
  const blocker = await connectedTo(t, stores.url)
  await blocker.query('begin')
  await blocker.query('select from leasehold.sessions for update')
  t.match(await troubleOf(acquire(stores, 'b', { session })), {
    code: 'database_timeout',
    outcome: 'unchanged',
  })
})

t.test('a statement that takes too long is ended by the server', async t => {
  const database = open(t, await freshDatabase(t), { statementTimeoutMs: 100 })
  t.match(await troubleOf(database.run('select pg_sleep(60)', [])), {
    code: 'database_timeout',
    outcome: 'unchanged',
  })
})

t.test('who waits for a connection longer than allowed is told, and nothing changed', async t => {
  const database = open(t, await freshDatabase(t), { max: 1, connectTimeoutMs: 100 })
  const slow = database.run('select pg_sleep(0.5)', [])
  t.match(await troubleOf(database.run('select 1', [])), { code: 'database_timeout', outcome: 'unchanged' })
  await slow
  t.same(await database.run('select 1 as one', []), [{ one: 1 }])
})

t.test('a server that is not there, or refuses, is trouble that changed nothing', async t => {
  const nowhere = open(t, 'postgres://nobody@127.0.0.1:1/nothing')
  t.match(await troubleOf(nowhere.run('select 1', [])), {
    code: 'database_unavailable',
    outcome: 'unchanged',
  })
  const url = new URL(await freshDatabase(t))
  url.pathname = '/there_is_no_such_database'
  t.match(await troubleOf(open(t, url.href).run('select 1', [])), {
    code: 'database_unavailable',
    outcome: 'unchanged',
  })
})

t.test(
  'a server that lets one in and then says nothing is given up in time, and nothing changed',
  async t => {
    const url = new URL(await freshDatabase(t))
    let isStuck = true
    const proxy = createServer(client => {
      const server = connect(Number(url.port), url.hostname)
      for (const socket of [client, server]) socket.on('error', () => {})
      server.pipe(client)
      client.once('close', () => server.destroy())
      client.on('data', (bytes: Buffer) => {
        // the first statement: what comes before it, of a start or a password, begins otherwise
        if (isStuck && bytes[0] === 'Q'.charCodeAt(0)) client.removeAllListeners('data').resume()
        else server.write(bytes)
      })
    })
    t.teardown(() => proxy.close())
    await event(proxy.listen(0, '127.0.0.1'), 'listening')
    const behind = new URL(url)
    behind.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const database = open(t, behind.href, { max: 1, connectTimeoutMs: 1000, statementTimeoutMs: 60_000 })
    const started = performance.now()
    t.match(await troubleOf(database.run('select 1', [])), { code: 'database_timeout', outcome: 'unchanged' })
    const tookMs = performance.now() - started
    t.ok(tookMs < 10_000, `it took ${Math.round(tookMs)} ms, and statements may take 60 s`)
    isStuck = false
    t.same(await database.run('select 1 as one', []), [{ one: 1 }], 'the place in the pool is free again')
  },
)

t.test('a server whose settings lose locks is refused unless that is allowed', async t => {
  const url = await freshDatabase(t)
  const name = new URL(url).pathname.slice(1)
  await once(url, `alter database ${name} set synchronous_commit = off`)
  const trouble = await troubleOf(open(t, url, { allowUnsafe: false }).run('select 1', []))
  t.match(trouble, {
    code: 'database_unavailable',
    outcome: 'unchanged',
    message: /synchronous_commit is off/,
  })
  t.same(await open(t, url, { allowUnsafe: true }).run('select 1 as one', []), [{ one: 1 }])
})

t.test('a wrong statement is an error of ours and comes back as it is', async t => {
  const database = open(t, await freshDatabase(t))
  await t.rejects(database.run('select 1/0', []), { code: '22012' })
  t.match(await troubleOf(database.run('select * from leasehold.missing', [])), { outcome: 'unchanged' })
})

t.test(
  'while no standby confirms, a grant is unknown, and its repeat under the same session is the same lock',
  async t => {
    const { postgres } = await ownServer(t)
    await migrateUp({ url: postgres.url, schema: 'leasehold' })
    const stores = await openStores(t, { url: postgres.url, statementTimeoutMs: 500 })
    const session = named()
    const standby = async (name: string) => {
      await stores.sql(`alter system set synchronous_standby_names = '${name}'`)
      await stores.sql('select pg_reload_conf()')
      await untilTrue(stores, `select current_setting('synchronous_standby_names') = '${name}' as yes`)
    }
    await grantedOne(stores, 'warm')
    await standby('absent')

    const late = await troubleOf(acquire(stores, 'a', { session }))
    t.match(
      late,
      { code: 'database_timeout', outcome: 'unknown' },
      'no time-out of the server bounds a commit',
    )

    t.same(
      await acquire(stores, 'a', { session }),
      { kind: 'contended' },
      'while that commit waits, its resource is neither held nor free',
    )

    const cancelled = troubleOf(acquire(stores, 'b', { session: named() }))
    await untilTrue(
      stores,
      `select count(*) = 2 as yes from pg_stat_activity
       where wait_event = 'SyncRep' and application_name = 'leasehold'`,
    )
    await stores.sql(`select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`)
    t.match(await cancelled, { outcome: 'unknown' }, 'the server says success, and a warning beside it')

    const read = await stores.locks.find({ namespace: 'tests', type: 'thing', id: 'b' })
    t.ok(read, 'a read shows what is committed here: reads promise order, not durability')
    const repeated = troubleOf(acquire(stores, 'a', { session }))
    t.match(await repeated, { outcome: 'unknown' }, 'a repeat is a write, so it is not acknowledged either')

    await standby('')
    const lock = await grantedOne(stores, 'a', { session })
    t.equal(lock.sessionId, session.id)
    t.equal(await stores.locks.count(), 3)
  },
)

t.test('a service that dies while its acquire waits leaves no grant behind', async t => {
  const stores = await openStores(t)
  const session = named()
  await grantedOne(stores, 'a', { session, holder: 'admin' })
  const service = await startService(t, {
    DATABASE_URL: stores.url,
    DATABASE_LOCK_TIMEOUT_MS: '60000',
    DATABASE_STATEMENT_TIMEOUT_MS: '60000',
  })
  const client = new Client(service.url)
  const blocker = await connectedTo(t, stores.url)
  // the transaction that blocks has to outlive the service by some time
  await blocker.query('begin')
  await blocker.query('select from leasehold.sessions for update')
  const cut = client.acquire('b', { session: session.id }).catch(() => 'cut')
  await untilWaiting(stores, 1)
  await service.stop('SIGKILL')
  t.equal(await cut, 'cut')
  await eventually('the backend notices that its client is gone', async () => {
    const [row] = await stores.sql<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return row?.n === 0
  })
  await blocker.query('commit')
  t.match(await stores.sql('select resource_id from locks'), [{ resource_id: 'a' }])
})

t.test("a deadlock that a DBA's statement brings about reaches no client", async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a', { session: named() })
  const dba = await connectedTo(t, stores.url)
  await dba.query('begin')
  await dba.query('select from leasehold.locks where id = $1 for update', [lock.id])
  // has the row of the session and waits for that of the lock; the DBA is about to do it the other way round
  const releasing = stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  await untilWaiting(stores, 1)
  const deleted = await dba.query('delete from leasehold.locks where id = $1', [lock.id]).then(
    () => true,
    () => false,
  )
  await dba.query(deleted ? 'commit' : 'rollback')
  const released = await releasing
  t.equal(released === undefined, deleted, 'whoever was undone, one of the two released it')
  t.same(await stores.sql('select id from locks'), [])
  await untilTrue(
    stores,
    'select deadlocks > 0 as yes from pg_stat_database where datname = current_database()',
  )
})

t.test(
  'a database whose default isolation hides what came during a wait is worked on as read committed',
  async t => {
    const url = await freshDatabase(t)
    const name = new URL(url).pathname.slice(1)
    await once(url, `alter database ${name} set default_transaction_isolation = 'repeatable read'`)
    const stores = await openStores(t, { url })
    const session = named(undefined, 30, false)
    await grantedOne(stores, 'a', { session })
    const blocker = await connectedTo(t, url)
    await blocker.query('begin')
    await blocker.query('select from leasehold.sessions where id = $1 for update', [session.id])
    const taken = acquire(stores, 'b', { session })
    await untilWaiting(stores, 1)
    const ended = stores.sessions.end(session.id, 'alice')
    await untilWaiting(stores, 2)
    await blocker.query('commit')
    t.equal((await taken).kind, 'granted')
    t.equal(await ended, true)
    t.same(await faults(stores), [])
    const trouble = await troubleOf(
      open(t, url, { allowUnsafe: false, transactionPooler: true }).run('select 1', []),
    )
    t.match(trouble.message, /default_transaction_isolation is repeatable read/)
  },
)
