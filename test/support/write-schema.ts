import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import { FIRST_VERSION_OF_THE_DUMP, writeCommittedSchema } from './committed-schema.ts'
import { testServer } from './database.ts'
import { dumpSchema } from './schema-dump.ts'

/** `npm run schema:dump`: writes down what the migrations make, in a schema that is gone afterwards. */
const schema = `dump_${randomBytes(6).toString('hex')}`
const url = testServer()
const client = new pg.Client({ connectionString: url })
await client.connect()
try {
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  )
  if ((rows[0]?.version ?? 0) < FIRST_VERSION_OF_THE_DUMP) {
    throw new Error('the dump is written with PostgreSQL 16 or newer, which prints views more shortly')
  }
  await migrateUp({ url, schema })
  await writeCommittedSchema(await dumpSchema(client, schema))
} finally {
  await client.query(`drop schema if exists ${schema} cascade`)
  await client.end()
}
