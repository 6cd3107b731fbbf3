import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { ApiKeyRepository } from '../../src/database/api-key-repository.ts'
import { grantsSql } from '../../src/database/grants.ts'
import { migrateDown, migrateUp } from '../../src/database/migrations/migrate.ts'
import { queryOf } from '../../src/database/migrations/migration-connection.ts'
import { type RoleNames, roleNames } from '../../src/database/role-names.ts'
import { rolesSql } from '../../src/database/roles.ts'
import { expire, grantedOne, named, once, openStores, testServer } from '../support/database.ts'
import { connectedTo, scratchDatabase, type Teardown } from '../support/scratch-database.ts'

const PASSWORD = 'only for this test'
const NOT_ALLOWED = { code: '42501' }

/** An empty database and the names of roles that are gone when the test ends. */
async function start(t: Teardown) {
  const names = roleNames(`test_${randomBytes(5).toString('hex')}`)
  // teardowns run last first: the database goes before the roles that own what is in it
  t.teardown(() => once(testServer(), `drop role if exists ${Object.values(names).join(', ')}`))
  const { url } = await scratchDatabase(t)
  const admin = await connectedTo(t, url)
  const apply = async (make: typeof rolesSql = rolesSql, client: pg.Client = admin) => {
    await client.query(['begin', ...(await make(queryOf(client), 'leasehold', names)), 'commit'].join(';\n'))
  }
  const urlOf = async (role: string) => {
    await admin.query(`alter role ${role} login password '${PASSWORD}'`)
    const own = new URL(url)
    own.username = role
    own.password = PASSWORD
    return own.href
  }
  return { names, url, admin, apply, urlOf }
}

/** Roles, then the migrations as the migrator, then the grants as the migrator: a deployment. */
async function deployed(t: Teardown) {
  const fixture = await start(t)
  await fixture.apply()
  const migrator = await fixture.urlOf(fixture.names.migrator)
  await migrateUp({ url: migrator, schema: 'leasehold' })
  await fixture.apply(grantsSql, await connectedTo(t, migrator))
  return { ...fixture, migrator }
}

async function privileges(admin: pg.Client): Promise<readonly unknown[]> {
  const { rows } = await admin.query(
    `select relname::text as name, relowner::regrole::text as owner, relacl::text as acl from pg_class
     where relnamespace = 'leasehold'::regnamespace and relkind in ('r', 'p', 'v', 'S')
     union all
     select proname::text, proowner::regrole::text, proacl::text from pg_proc where pronamespace = 'leasehold'::regnamespace
     union all
     select 'defaults', defaclrole::regrole::text, defaclacl::text from pg_default_acl
     order by 1, 2, 3`,
  )
  return rows
}

/** One for all tests that leave the roles and the schema as they are. */
const { admin, names, urlOf } = await deployed(t)

t.test('The migrator can migrate, and what it makes belongs to the owner', async t => {
  const { admin, names, migrator } = await deployed(t)
  const { rows } = await admin.query(
    `select distinct relowner::regrole::text as owner from pg_class where relnamespace = 'leasehold'::regnamespace
     union select nspowner::regrole::text from pg_namespace where nspname = 'leasehold'`,
  )
  t.same(rows, [{ owner: names.owner }])
  t.ok((await migrateDown({ url: migrator, schema: 'leasehold' }, 'all')).length > 0)
})

t.test('The service can do all of its work', async t => {
  const stores = await openStores(t, { url: await urlOf(names.app) })
  const lock = await grantedOne(stores, 'a', { session: named(randomUUID()) })
  t.ok(await stores.locks.touch({ namespace: 'tests', lockId: lock.id, holder: 'alice' }))
  t.equal((await stores.locks.find({ namespace: 'tests', type: 'thing', id: 'a' }))?.id, lock.id)
  const taken = await grantedOne(stores, 'a', { holder: 'bob', takeover: { reason: 'a test' } })
  t.ok(await stores.locks.release({ namespace: 'tests', lockId: taken.id, holder: 'bob' }))
  await grantedOne(stores, 'b')
  await expire(stores)
  t.match(await stores.sessions.sweep(10, null), { sessions: Number })
  const keys = new ApiKeyRepository(stores.database)
  const key = await keys.create({
    user: 'alice',
    role: 'locker',
    namespace: '*',
    ttlSeconds: null,
    hash: Buffer.alloc(32),
  })
  t.ok(await keys.findByHash(Buffer.alloc(32)))
  t.ok(await keys.revoke(key.id))
  t.equal((await stores.sql('select name from schema_migrations')).length > 0, true)
})

const FORBIDDEN_TO_THE_SERVICE = {
  'set a sequence back': "select setval('leasehold.fencing_token_seq', 1)",
  'set the sequence of a key back': "select setval('leasehold.locks_id_seq', 1)",
  'lower the epoch of the fencing tokens': 'update leasehold.fencing_epoch set epoch = 0',
  'make a table': 'create table leasehold.mine ()',
  'make a function': 'create function leasehold.mine() returns int language sql return 1',
  'drop a table': 'drop table leasehold.locks',
  'alter a table': 'alter table leasehold.locks add column mine int',
  'make an index': 'create index on leasehold.locks (holder)',
  'truncate a table': 'truncate leasehold.locks',
  'replace a trigger': 'alter table leasehold.locks disable trigger all',
  'change a migration': "update leasehold.schema_migrations set checksum = repeat('0', 64)",
  'remove a migration': 'delete from leasehold.schema_migrations',
  'write history': "update leasehold.lock_events set holder = 'me'",
  'write history behind its back':
    'insert into leasehold.lock_events_default select * from leasehold.lock_events',
  'say since when the history is complete': 'update leasehold.history set complete_since = now()',
  'switch the history off': 'select leasehold.set_history(false)',
  'make a schema': 'create schema mine',
  'become the owner': 'set role OWNER',
}

t.test('The service cannot', async t => {
  const app = await connectedTo(t, await urlOf(names.app))
  for (const [what, sql] of Object.entries(FORBIDDEN_TO_THE_SERVICE)) {
    await t.rejects(app.query(sql.replace('OWNER', names.owner)), NOT_ALLOWED, what)
  }
})

t.test('The service works within its time-outs and settings, whatever connects with its role', async t => {
  const app = await connectedTo(t, await urlOf(names.app))
  const { rows } = await app.query(
    `select name, setting from pg_settings where source = 'user' and name <> 'role' order by name`,
  )
  t.same(Object.fromEntries(rows.map(row => [row.name, row.setting])), {
    client_connection_check_interval: '500',
    enable_seqscan: 'off',
    idle_in_transaction_session_timeout: '2000',
    jit: 'off',
    lock_timeout: '500',
    max_parallel_workers_per_gather: '0',
    plan_cache_mode: 'force_generic_plan',
    statement_timeout: '5000',
    synchronous_commit: 'on',
    default_transaction_isolation: 'read committed',
  })
})

t.test('A reader sees every table and view, but no hash of a key', async t => {
  const reader = await connectedTo(t, await urlOf(names.reader))
  const { rows } = await admin.query(
    "select relname as name from pg_class where relnamespace = 'leasehold'::regnamespace and relkind in ('r', 'p', 'v') and not relispartition",
  )
  for (const { name } of rows.filter(row => row.name !== 'api_keys')) {
    await t.resolves(reader.query(`select * from leasehold.${name}`), name)
  }
  await t.resolves(reader.query('select id, user_id, role, namespace, revoked_at from leasehold.api_keys'))
  await t.rejects(reader.query('select key_hash from leasehold.api_keys'), NOT_ALLOWED)
  await t.rejects(reader.query('select * from leasehold.api_keys'), NOT_ALLOWED)
})

const FORBIDDEN_TO_READERS = [
  'delete from leasehold.locks',
  'update leasehold.sessions set ended_at = now()',
  'insert into leasehold.users (name) values (1)',
  'select leasehold.next_fencing_token()',
  "select nextval('leasehold.fencing_token_seq')",
  'create table leasehold.mine ()',
]

t.test('A reader cannot change anything', async t => {
  const reader = await connectedTo(t, await urlOf(names.reader))
  for (const sql of FORBIDDEN_TO_READERS) await t.rejects(reader.query(sql), NOT_ALLOWED, sql)
})

const FORBIDDEN_TO_APPLICATIONS = [
  'select from leasehold.locks',
  'select from leasehold.sessions',
  'select from leasehold.lock_events',
  'delete from leasehold.locks',
  'select leasehold.next_fencing_token()',
  'select leasehold.keep_history(1)',
  'create table leasehold.mine ()',
]

t.test('An application can check a lock in its own transaction, and nothing else', async t => {
  const stores = await openStores(t, { url: await urlOf(names.app) })
  const lock = await grantedOne(stores, 'asserted', { session: named() })
  const application = await connectedTo(t, await urlOf(names.fencing))
  await t.resolves(
    application.query(`select leasehold.assert_lock('tests', 'thing', 'asserted', ${lock.fencingToken})`),
  )
  const { rows } = await application.query(
    `select leasehold.try_assert_lock('tests', 'thing', 'asserted', ${lock.fencingToken + 1}) as is_held`,
  )
  t.same(rows, [{ is_held: false }])
  for (const sql of FORBIDDEN_TO_APPLICATIONS) await t.rejects(application.query(sql), NOT_ALLOWED, sql)
  const reader = await connectedTo(t, await urlOf(names.reader))
  await t.rejects(reader.query(`select leasehold.assert_lock('', '', '', 1)`), NOT_ALLOWED, 'it locks rows')
})

t.test('The service sees to the days of the history without owning them', async t => {
  const { urlOf, names, admin } = await deployed(t)
  const { rows } = await admin.query<{ name: string }>(
    `select max(inhrelid::regclass::text) as name from pg_inherits
     where inhparent = 'leasehold.lock_events'::regclass and inhrelid <> 'leasehold.lock_events_default'::regclass`,
  )
  await admin.query(`drop table ${rows[0]?.name}`)
  const before = await privileges(admin)
  const app = await connectedTo(t, await urlOf(names.app))
  t.same((await app.query('select leasehold.keep_history(30) as done')).rows, [{ done: 1 }])
  t.same((await app.query('select leasehold.keep_history(30) as done')).rows, [{ done: 0 }])
  const days = (await privileges(admin)).filter(
    row => !before.some(old => JSON.stringify(old) === JSON.stringify(row)),
  )
  t.match(days, [{ name: /^lock_events_\d{8}$/, owner: names.owner }])
  await t.rejects(app.query(`insert into ${rows[0]?.name} select * from leasehold.lock_events`), NOT_ALLOWED)
  await t.resolves(app.query('select from leasehold.lock_events'))
})

t.test('Any other role sees nothing', async t => {
  const other = `${admin.database}_other`
  await admin.query(`create role ${other} login`)
  t.teardown(() => once(testServer(), `drop role ${other}`))
  const client = await connectedTo(t, await urlOf(other))
  await t.rejects(client.query('select from leasehold.locks'), NOT_ALLOWED)
})

t.test('Run again, the roles are as they were', async t => {
  const { admin, apply } = await deployed(t)
  await apply()
  const before = await privileges(admin)
  await apply()
  await apply(grantsSql)
  t.same(await privileges(admin), before)
})

t.test('A schema that somebody else has migrated goes to the owner whole', async t => {
  const { admin, url, names, apply } = await start(t)
  await migrateUp({ url, schema: 'leasehold' })
  await apply()
  const early = await privileges(admin)
  t.same([...new Set(early.map(row => (row as { owner: string }).owner))], [names.owner])
  const { admin: other, names: otherNames } = await deployed(t)
  const renamed = Object.keys(names).reduce(
    (text, role) => text.replaceAll(otherNames[role as keyof RoleNames], names[role as keyof RoleNames]),
    JSON.stringify(await privileges(other)),
  )
  t.equal(renamed, JSON.stringify(early))
})

t.test(
  'The service can use at once what a later migration makes; readers after the grants are run again',
  async t => {
    const { names, migrator, urlOf, apply } = await deployed(t)
    const owner = await connectedTo(t, migrator)
    await owner.query(
      'create table leasehold.later (id bigint generated always as identity, word text); create sequence leasehold.later_seq; create function leasehold.later() returns int language sql return 1',
    )
    const app = await connectedTo(t, await urlOf(names.app))
    await t.resolves(app.query("insert into leasehold.later (word) values ('a')"))
    await t.resolves(app.query("select nextval('leasehold.later_seq')"))
    await t.rejects(app.query("select setval('leasehold.later_seq', 1)"), NOT_ALLOWED)
    await t.resolves(app.query('select leasehold.later()'))
    const reader = await connectedTo(t, await urlOf(names.reader))
    await t.rejects(reader.query('select from leasehold.later'), NOT_ALLOWED)
    await t.rejects(reader.query('select leasehold.later()'), NOT_ALLOWED)
    await apply(grantsSql, owner)
    await t.resolves(reader.query('select from leasehold.later'))
  },
)

t.test('What was granted by hand is taken back', async t => {
  const { admin, names, urlOf, apply } = await deployed(t)
  await admin.query(
    `grant all on leasehold.api_keys to ${names.reader}; grant update on leasehold.locks to public`,
  )
  await apply()
  const reader = await connectedTo(t, await urlOf(names.reader))
  await t.rejects(reader.query('select key_hash from leasehold.api_keys'), NOT_ALLOWED)
  await t.rejects(reader.query("update leasehold.locks set holder = 'me'"), NOT_ALLOWED)
})

t.test(
  'The roles can be made by who may create roles and owns the database, without being superuser',
  async t => {
    const { admin, names, url, urlOf, apply } = await start(t)
    const creator = `${admin.database}_creator`
    t.teardown(() => once(testServer(), `drop role ${creator}`))
    await admin.query(
      `create role ${creator} createrole; alter database ${admin.database} owner to ${creator}`,
    )
    const client = new pg.Client({ connectionString: await urlOf(creator) })
    await client.connect()
    try {
      await apply(rolesSql, client)
      await apply(rolesSql, client)
    } finally {
      await client.end()
      await admin.query(`reassign owned by ${creator} to current_user; drop owned by ${creator}`)
      await admin.query(dropRoles(names))
    }
    t.ok(url)
  },
)

function dropRoles(names: RoleNames): string {
  const all = Object.values(names).join(', ')
  return `drop schema leasehold cascade; drop owned by ${all}; drop role ${all}`
}
