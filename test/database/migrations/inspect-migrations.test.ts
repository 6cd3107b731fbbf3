import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { migrationStatus, planMigrations } from '../../../src/database/migrations/inspect-migrations.ts'
import { migrateDown, migrateUp } from '../../../src/database/migrations/migrate.ts'
import { withReadOnlyConnection } from '../../../src/database/migrations/migration-connection.ts'
import type { MigrationSettings } from '../../../src/database/migrations/migration-settings.ts'
import { migration, migrationFolder, THREE_MIGRATIONS } from '../../support/migration-folder.ts'
import { connectedTo, scratchDatabase, scratchSchema, type Teardown } from '../../support/scratch-database.ts'

const TRANSACTIONAL = {
  '0001_create-things.sql': THREE_MIGRATIONS['0001_create-things.sql'],
  '0002_fill-things.sql': THREE_MIGRATIONS['0002_fill-things.sql'],
}

const { url } = await scratchDatabase(t)

async function start(t: Teardown, files: Readonly<Record<string, string>> = THREE_MIGRATIONS) {
  const directory = await migrationFolder(t, files)
  const settings: MigrationSettings = { url, schema: scratchSchema(), directory }
  return { settings, directory, client: await connectedTo(t, url, settings.schema) }
}

/** The same database for a role that may read the table of migrations and nothing else. */
async function asReader(t: Teardown, settings: MigrationSettings): Promise<MigrationSettings> {
  const admin = await connectedTo(t, url, settings.schema)
  const role = `reader_${admin.database}`
  await admin.query(`create role ${role} login password 'secret'`)
  t.teardown(async () => {
    await admin.query(`drop owned by ${role}; drop role ${role}`)
  })
  await admin.query(
    `grant usage on schema ${settings.schema} to ${role}; grant select on schema_migrations to ${role}`,
  )
  const own = new URL(url)
  own.username = role
  own.password = 'secret'
  return { ...settings, url: own.href }
}

t.test('On an empty database everything is pending, and looking makes nothing', async t => {
  const { settings, client } = await start(t)
  const statuses = await migrationStatus(settings)
  t.same(
    statuses.map(({ state, appliedAt }) => ({ state, appliedAt })),
    Array(3).fill({ state: 'pending', appliedAt: null }),
  )
  await planMigrations(settings)
  t.same((await client.query('select from pg_namespace where nspname = $1', [settings.schema])).rows, [])
})

t.test('A role that may only read sees the state and the plan', async t => {
  const { settings } = await start(t)
  await migrateUp(settings)
  await migrateDown(settings, 1)
  const reader = await asReader(t, settings)
  t.same(
    (await migrationStatus(reader)).map(({ state }) => state),
    ['applied', 'applied', 'pending'],
  )
  t.match(await planMigrations(reader), /create index concurrently things_idx/)
})

t.test('Looking waits for no run of the migrations and for no lock on the tables', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  await client.query('begin')
  await client.query('select pg_advisory_lock(27752, hashtext($1))', [settings.schema])
  await client.query('lock table things; lock table schema_migrations in exclusive mode')
  t.same(
    (await migrationStatus(settings)).map(({ state }) => state),
    ['applied', 'applied', 'applied'],
  )
  t.equal(await planMigrations(settings), '')
})

t.test('The server itself refuses a change by what only looks', async t => {
  const { settings } = await start(t)
  const change = withReadOnlyConnection(settings, query => query(`create schema ${settings.schema}`, []))
  await t.rejects(change, { code: '25006' })
})

t.test('The plan, run as a script, leaves what up leaves', async t => {
  const { settings, client } = await start(t, TRANSACTIONAL)
  const plan = await planMigrations(settings)
  t.match(plan, /^\\set ON_ERROR_STOP on\n/)
  await client.query(plan.replace(/^\\set.*\n/, ''))
  t.same(
    (await migrationStatus(settings)).map(({ state }) => state),
    ['applied', 'applied'],
  )
  t.same(await migrateUp(settings), [])
  t.equal(await planMigrations(settings), '')
  t.equal((await migrateDown(settings, 'all')).length, 2)
})

t.test('The plan has what is pending alone', async t => {
  const { settings } = await start(t)
  await migrateUp(settings)
  await migrateDown(settings, 2)
  const plan = await planMigrations(settings)
  t.match(plan, /insert into things/)
  t.notMatch(plan, /create table/)
})

t.test(
  'A migration without a transaction is planned without one, its waits for locks set one by one',
  async t => {
    const { settings } = await start(t, { '0001_index.sql': THREE_MIGRATIONS['0003_index-things.sql'] })
    const plan = await planMigrations(settings)
    const own = plan.slice(plan.indexOf('-- 0001_index'))
    t.notMatch(own, /begin|commit/)
    t.match(own, /set lock_timeout = 60000;\ncreate index concurrently things_idx on things \(id\);/)
  },
)

t.test('There is no plan where up would refuse', async t => {
  const { settings, directory } = await start(t)
  await migrateUp(settings)
  await writeFile(path.join(directory, '0001_create-things.sql'), migration('', ''))
  await t.rejects(planMigrations(settings), { message: /0001_create-things was changed/ })
})

t.test("A table of that name that is somebody else's is told apart", async t => {
  const { settings, client } = await start(t)
  await client.query(`create schema ${settings.schema}; create table schema_migrations (version text)`)
  await t.rejects(migrationStatus(settings), {
    name: 'MigrationError',
    message: /\.schema_migrations is not a table of this service/,
  })
})

t.test('A server that cannot be reached is named without the password', async t => {
  const settings = { url: 'postgres://me:secret@127.0.0.1:1/things', schema: 'leasehold' }
  const error = await migrationStatus(settings).catch((error: unknown) => error)
  t.match(error, { name: 'MigrationError', message: /"things" on 127\.0\.0\.1:1: connect ECONNREFUSED/ })
  t.notMatch(String(error), /secret/)
})
