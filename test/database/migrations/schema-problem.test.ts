import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { migrateDown, migrateUp } from '../../../src/database/migrations/migrate.ts'
import { schemaProblem } from '../../../src/database/migrations/schema-problem.ts'
import { migrationFolder, THREE_MIGRATIONS } from '../../support/migration-folder.ts'
import { connectedTo, scratchDatabase, scratchSchema, type Teardown } from '../../support/scratch-database.ts'

const { url } = await scratchDatabase(t)

async function start(t: Teardown) {
  const directory = await migrationFolder(t, THREE_MIGRATIONS)
  const settings = { url, schema: scratchSchema(), directory }
  const client = await connectedTo(t, url)
  const problem = () =>
    schemaProblem((sql, values) => client.query(sql, [...values]), settings.schema, directory)
  return { settings, directory, problem }
}

t.test('A schema with every migration is no problem', async t => {
  const { settings, problem } = await start(t)
  await migrateUp(settings)
  t.equal(await problem(), undefined)
})

t.test('An empty database is a problem, and the sentence says what to run', async t => {
  const { settings, problem } = await start(t)
  t.equal(
    await problem(),
    `the schema "${settings.schema}" is older than this version of the service: 0001_create-things and 2 more not applied; run "npm run migrate -- up"`,
  )
})

t.test('A schema that lacks the newest migration is a problem', async t => {
  const { settings, problem } = await start(t)
  await migrateUp(settings)
  await migrateDown(settings, 1)
  t.match(await problem(), /: 0003_index-things not applied; run/)
})

t.test('A schema that is newer than the code is no problem', async t => {
  const { settings, directory, problem } = await start(t)
  await migrateUp(settings)
  await rm(path.join(directory, '0003_index-things.sql'))
  t.equal(await problem(), undefined)
})

t.test('The text of the files is left to "migrate check"', async t => {
  const { settings, directory, problem } = await start(t)
  await migrateUp(settings)
  await writeFile(path.join(directory, '0001_create-things.sql'), 'changed')
  t.equal(await problem(), undefined)
})

t.test('A query that fails is not taken for an old schema', async t => {
  const { directory } = await start(t)
  const failing = () => Promise.reject(new Error('the database is away'))
  await t.rejects(schemaProblem(failing, 'leasehold', directory), { message: 'the database is away' })
})
