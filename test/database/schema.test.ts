import t from 'tap'
import { migrateDown, migrateUp } from '../../src/database/migrations/migrate.ts'
import { readCommittedSchema } from '../support/committed-schema.ts'
import { dumpInTransaction, dumpSchema } from '../support/schema-dump.ts'
import { connectedTo, scratchDatabase, type Teardown } from '../support/scratch-database.ts'

const STALE =
  'test/database/schema.sql is not what the migrations make: run "npm run schema:dump" and commit the file with them'

/** Before PostgreSQL 16, views were printed with the table's name ahead of every column. */
const FIRST_TO_PRINT_SHORT_NAMES = 160_000

async function start(t: Teardown, schema = 'leasehold') {
  const settings = { url: (await scratchDatabase(t)).url, schema }
  await migrateUp(settings)
  const client = await connectedTo(t, settings.url)
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  )
  const printsLongNames = (rows[0]?.version ?? 0) < FIRST_TO_PRINT_SHORT_NAMES
  return {
    settings,
    client,
    dump: () => dumpSchema(client, schema),
    comparable: (dump: string) => (printsLongNames ? dump.replaceAll(/\b\w+\.(?=\w)/g, '') : dump),
  }
}

t.test('The schema in the repository is the one that the migrations make', async t => {
  const { dump, comparable } = await start(t)
  t.equal(comparable(await dump()), comparable(await readCommittedSchema()), STALE)
})

t.test('Up, down to zero and up again make the same schema', async t => {
  const { settings, dump } = await start(t)
  const before = await dump()
  await migrateDown(settings, 'all')
  await migrateUp(settings)
  t.equal(await dump(), before)
})

t.test('One migration at a time, down and up again, makes the same schema', async t => {
  const { settings, dump } = await start(t)
  const before = await dump()
  for (let count = 1; (await migrateDown(settings, count)).length === count; count++) {
    await migrateUp(settings)
    t.equal(await dump(), before, `after the newest ${count}`)
  }
})

t.test('The schema is the same whatever its name', async t => {
  const one = await start(t)
  const other = await start(t, 'rooms_of_others')
  t.equal(await other.dump(), await one.dump())
})

t.test('A difference of any kind shows in the dump', async t => {
  const { client, dump } = await start(t)
  const before = await dump()
  for (const change of [
    'alter table locks alter column holder drop not null',
    'alter table locks alter column reference set default 1',
    'alter table locks add column more integer',
    'alter table api_keys alter column namespace type text collate "POSIX"',
    'alter table locks set (fillfactor = 70)',
    'alter table locks drop constraint locks_holder_length',
    'alter table locks rename constraint locks_pkey to renamed',
    'alter table locks disable trigger record_ended_locks',
    'create index on locks (holder)',
    'drop index locks_session_id_idx',
    "comment on column locks.id is 'another'",
    "comment on view held_locks is 'another'",
    'alter sequence fencing_token_seq cache 10',
    'alter function claim_resource stable',
    'alter function claim_resource set search_path = public',
    'alter view held_locks set (security_barrier = true)',
    'create view more as select 1 as one',
    'create table more ()',
    'drop trigger record_ended_locks on locks',
    "create or replace function refuse_partial_set() returns text language sql as $$ select '' $$",
  ]) {
    await client.query(`begin; set search_path = leasehold; ${change}`)
    t.not(await dumpInTransaction(client, 'leasehold'), before, change)
    await client.query('rollback')
  }
})

t.test('What the dump cannot show is an error, not left out', async t => {
  const { client, dump } = await start(t)
  await client.query(
    "set search_path = leasehold; create type colour as enum ('red'); alter table locks enable row level security",
  )
  await t.rejects(dump(), { message: /would leave out the type colour, the relation locks/ })
})

t.test('Every table, view, column, sequence and function has a comment', async t => {
  const { client } = await start(t)
  const { rows } = await client.query(
    `select c.relname || coalesce('.' || a.attname, '') as name
     from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and c.relkind <> 'S' and not c.relispartition
     where c.relnamespace = 'leasehold'::regnamespace and c.relkind in ('r', 'p', 'v', 'S') 
       and not exists (select from pg_depend where objid = c.oid and classid = 'pg_class'::regclass and deptype = 'i' and c.relkind = 'S')
       and (obj_description(c.oid, 'pg_class') is null or (a.attnum is not null and col_description(c.oid, a.attnum) is null))
     union all
     select proname from pg_proc
     where pronamespace = 'leasehold'::regnamespace and obj_description(oid, 'pg_proc') is null`,
  )
  t.same(rows, [])
})

t.test('Every foreign key has an index that leads with its columns', async t => {
  const { client } = await start(t)
  const { rows } = await client.query(
    `select conname from pg_constraint k
     where connamespace = 'leasehold'::regnamespace and contype = 'f' and not exists (
       select from pg_index where indrelid = conrelid and indisvalid
         and (indkey::int2[])[0:cardinality(conkey) - 1] @> conkey)`,
  )
  t.same(rows, [])
})
