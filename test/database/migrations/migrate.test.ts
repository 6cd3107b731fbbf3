import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { migrationStatus } from '../../../src/database/migrations/inspect-migrations.ts'
import { migrateDown, migrateRedo, migrateUp } from '../../../src/database/migrations/migrate.ts'
import type { MigrationSettings } from '../../../src/database/migrations/migration-settings.ts'
import { migration, migrationFolder, THREE_MIGRATIONS } from '../../support/migration-folder.ts'
import { connectedTo, scratchDatabase, scratchSchema, type Teardown } from '../../support/scratch-database.ts'

const ALL_NAMES = ['0001_create-things', '0002_fill-things', '0003_index-things']

const { url } = await scratchDatabase(t)

/** A folder of migrations, a schema to apply them to, and a connection that is at home in it. */
async function start(t: Teardown, files: Readonly<Record<string, string>> = THREE_MIGRATIONS) {
  const directory = await migrationFolder(t, files)
  const settings: MigrationSettings = { url, schema: scratchSchema(), directory }
  return { settings, directory, client: await connectedTo(t, url, settings.schema) }
}

async function stateOf(settings: MigrationSettings): Promise<string> {
  return (await migrationStatus(settings)).map(({ state }) => state).join(' ')
}

t.test('Up applies every pending migration in order, and then finds nothing to do', async t => {
  const { settings, client } = await start(t)
  t.same(await migrateUp(settings), ALL_NAMES)
  t.equal(await stateOf(settings), 'applied applied applied')
  t.same((await client.query('select id from things order by id')).rows, [{ id: 1 }, { id: 2 }])
  t.same(await migrateUp(settings), [])
})

t.test('Each row that says applied has the checksum and the time in it', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  const { rows } = await client.query(
    "select name, length(checksum) as length, now() - run_on < interval '1 minute' as recent from schema_migrations order by id",
  )
  t.same(
    rows,
    ALL_NAMES.map(name => ({ name, length: 64, recent: true })),
  )
})

t.test('Everything is made in the schema, and nothing outside it', async t => {
  const { settings } = await start(t)
  const own = await scratchDatabase(t)
  const client = await connectedTo(t, own.url)
  await migrateUp({ ...settings, url: own.url, schema: 'other_place' })
  const { rows } = await client.query(
    `select distinct relnamespace::regnamespace::text as schema from pg_class
     where relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast')`,
  )
  t.same(rows, [{ schema: 'other_place' }])
})

t.test('Down takes back the newest, or as many as it is told, the newest first', async t => {
  const { settings } = await start(t)
  await migrateUp(settings)
  t.same(await migrateDown(settings, 1), ['0003_index-things'])
  t.same(await migrateDown(settings, 2), ['0002_fill-things', '0001_create-things'])
  t.same(await migrateDown(settings, 1), [])
  t.equal(await stateOf(settings), 'pending pending pending')
})

t.test('Down to zero leaves the table of migrations alone, and up works again', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  t.equal((await migrateDown(settings, 'all')).length, 3)
  const { rows } = await client.query(
    "select relname as name from pg_class where relnamespace = current_schema::regnamespace and relkind = 'r'",
  )
  t.same(rows, [{ name: 'schema_migrations' }])
  t.same(await migrateUp(settings), ALL_NAMES)
})

t.test('Redo takes the newest back and applies it as it is now', async t => {
  const { settings, directory, client } = await start(t)
  await migrateUp(settings)
  await migrateDown(settings, 1)
  const file = path.join(directory, '0002_fill-things.sql')
  await writeFile(file, migration('insert into things values (3);', 'delete from things;'))
  t.same(await migrateRedo(settings), ['0002_fill-things'])
  t.same((await client.query('select id from things')).rows, [{ id: 3 }])
  t.equal(await stateOf(settings), 'applied applied pending')
})

t.test('Down and redo of nothing do nothing', async t => {
  const { settings } = await start(t)
  t.same(await migrateDown(settings, 'all'), [])
  t.same(await migrateRedo(settings), [])
})

t.test('The newest is the one with the greatest name, even if the clock was set back in between', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  await client.query("update schema_migrations set run_on = '2001-01-01' where name = $1", [ALL_NAMES[2]])
  t.same(await migrateUp(settings), [])
  t.same(await migrateDown(settings, 1), ['0003_index-things'])
})

t.test('Twenty ups at once apply each migration once, and all succeed', async t => {
  const { settings, client } = await start(t)
  const applied = await Promise.all(Array.from({ length: 20 }, () => migrateUp(settings)))
  t.same(applied.flat().sort(), ALL_NAMES)
  t.equal((await client.query('select from schema_migrations')).rows.length, 3)
  t.equal((await client.query('select from things')).rows.length, 2)
})

t.test('Two schemas in one database do not wait for each other', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  // another run on the first schema, which holds its lock throughout
  await client.query('select pg_advisory_lock($1, hashtext($2))', [0x6c68, settings.schema])
  t.same(await migrateUp({ ...settings, schema: scratchSchema(), otherRunTimeoutMs: 0 }), ALL_NAMES)
})

t.test('A run that cannot begin says which backend is in the way', async t => {
  const { settings, client } = await start(t)
  await client.query('select pg_advisory_lock($1, hashtext($2))', [0x6c68, settings.schema])
  const pid = (await client.query('select pg_backend_pid() as pid')).rows[0].pid
  await t.rejects(migrateUp({ ...settings, otherRunTimeoutMs: 0 }), { message: new RegExp(`backend ${pid}`) })
})

t.test('A migration that fails is rolled back whole, with the line of its file', async t => {
  const { settings, client } = await start(t, {
    ...THREE_MIGRATIONS,
    '0004_break-things.sql': `-- why\n${migration("create table tables_of_it ('ä' text);", '')}`,
    '0005_never.sql': migration('create table never ();', 'drop table never;'),
  })
  await t.rejects(migrateUp(settings), {
    name: 'MigrationError',
    message: /could not apply 0004_break-things; it was rolled back; syntax error .*line 4 of the file/,
  })
  t.equal(await stateOf(settings), 'applied applied applied pending pending')
  t.same((await client.query("select to_regclass('never') as never")).rows, [{ never: null }])
})

t.test('A migration without a transaction that failed half-way is done again from its start', async t => {
  const { settings, directory } = await start(t, {
    ...THREE_MIGRATIONS,
    '0003_index-things.sql': THREE_MIGRATIONS['0003_index-things.sql'].replace(
      '\n\n-- Down',
      '\nselect 1 / count(*) from no_such_table;\n\n-- Down',
    ),
  })
  await t.rejects(migrateUp(settings), { message: /0003_index-things; its statements up to there stay/ })
  t.equal(await stateOf(settings), 'applied applied pending')
  await writeFile(path.join(directory, '0003_index-things.sql'), THREE_MIGRATIONS['0003_index-things.sql'])
  t.same(await migrateUp(settings), ['0003_index-things'])
  t.equal(await stateOf(settings), 'applied applied applied')
})

t.test('A run that is killed leaves a state that the next run completes', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  await migrateDown(settings, 1)
  // create index concurrently waits for this transaction, so the kill comes in the middle of it
  const reader = await connectedTo(t, url, settings.schema)
  await reader.query('begin; delete from things')
  const killed = migrateUp(settings).catch((error: unknown) => error)
  await until(async () => {
    const { rows } = await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'create index concurrently%' and wait_event_type = 'Lock'",
    )
    return rows.length > 0
  })
  t.match(await killed, { name: 'MigrationError' })
  await reader.query('rollback')
  t.equal(await stateOf(settings), 'applied applied pending')
  t.same(await migrateUp(settings), ['0003_index-things'])
  const { rows } = await client.query(
    "select indisvalid as valid from pg_index where indexrelid = 'things_idx'::regclass",
  )
  t.same(rows, [{ valid: true }])
  t.equal(await stateOf(settings), 'applied applied applied')
})

t.test('A migration gives up its place in the queue for a table and tries again', async t => {
  const { settings, directory, client } = await start(t)
  await migrateUp(settings)
  const add = migration('alter table things add column size integer;', 'alter table things drop column size;')
  await writeFile(path.join(directory, '0004_add-size.sql'), add)
  await client.query('begin; select from things')
  const lines: string[] = []
  const done = migrateUp({
    ...settings,
    lockTimeoutMs: 50,
    log: line => {
      lines.push(line)
      if (lines.length === 2) client.query('commit').catch(() => {})
    },
  })
  t.same(await done, ['0004_add-size'])
  t.match(
    lines[0],
    /0004_add-size: canceling statement due to lock timeout; nothing was changed, attempt 2 of 30/,
  )
})

t.test('A migration whose table is never free fails after its attempts', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  await migrateDown(settings, 1)
  await client.query('begin; select from things')
  const impatient = { ...settings, lockTimeoutMs: 20, attempts: 2 }
  await t.rejects(migrateDown(impatient, 'all'), { message: /take back 0001_create-things; .*lock timeout/ })
  t.equal(await stateOf(settings), 'applied pending pending')
})

t.test('The time-outs of a role do not end a migration', async t => {
  const { settings } = await start(t, {
    '0001_take-time.sql': migration('select pg_sleep(0.2);', ''),
  })
  const own = await scratchDatabase(t)
  const client = await connectedTo(t, own.url)
  await client.query(`alter database ${client.database} set statement_timeout = 50`)
  t.same(await migrateUp({ ...settings, url: own.url }), ['0001_take-time'])
})

t.test('Nothing is applied where an applied file was changed, and the message names it', async t => {
  const { settings, directory } = await start(t)
  await migrateUp(settings)
  await migrateDown(settings, 1)
  await writeFile(
    path.join(directory, '0001_create-things.sql'),
    migration('select 1;', 'drop table things;'),
  )
  await t.rejects(migrateUp(settings), { message: /0001_create-things was changed after it was applied/ })
  t.equal(await stateOf(settings), 'changed applied pending')
})

t.test('Nothing is applied out of order', async t => {
  const { settings, directory } = await start(t)
  await rm(path.join(directory, '0002_fill-things.sql'))
  await migrateUp(settings)
  await writeFile(path.join(directory, '0002_fill-things.sql'), THREE_MIGRATIONS['0002_fill-things.sql'])
  await t.rejects(migrateUp(settings), {
    message: /0002_fill-things is pending though a later migration is applied/,
  })
  t.equal(await stateOf(settings), 'applied out_of_order applied')
})

t.test('An older version finds nothing to do on a newer schema, and takes nothing back', async t => {
  const { settings, directory } = await start(t)
  await migrateUp(settings)
  await rm(path.join(directory, '0003_index-things.sql'))
  t.same(await migrateUp(settings), [])
  await t.rejects(migrateDown(settings, 'all'), { message: /no file for 0003_index-things/ })
  t.equal(await stateOf(settings), 'applied applied unknown')
})

t.test('A row without a checksum cannot be written past the runner', async t => {
  const { settings, client } = await start(t)
  await migrateUp(settings)
  const insert = "insert into schema_migrations (name, run_on) values ('0009_by-hand', now())"
  await t.rejects(client.query(insert), { code: '23502' })
})

t.test('A schema whose name would need escaping is refused', async t => {
  const { settings } = await start(t)
  for (const schema of ['', 'a"b', 'Upper', 'pg_mine', '1st', 'x'.repeat(64)]) {
    await t.rejects(migrateUp({ ...settings, schema }), { message: /cannot be the schema/ })
  }
})

t.test('The migrations of the repository go up, down to zero and up again', async t => {
  const settings = { url, schema: scratchSchema() }
  const names = await migrateUp(settings)
  t.same(await migrateDown(settings, 'all'), [...names].reverse())
  const client = await connectedTo(t, url, settings.schema)
  const { rows } = await client.query(
    `select relname as name from pg_class where relnamespace = current_schema::regnamespace and relkind in ('r', 'v')
     union all select proname from pg_proc where pronamespace = current_schema::regnamespace`,
  )
  t.same(rows, [{ name: 'schema_migrations' }])
  t.same(await migrateUp(settings), names)
})

async function until(condition: () => Promise<boolean>, deadlineMs = 10_000): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('the condition did not come true in time')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
