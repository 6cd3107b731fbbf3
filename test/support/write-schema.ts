import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.ts'
import { migrateUp } from '../../src/database/migrations/migrate.ts'
import { writeCommittedSchema } from './committed-schema.ts'
import { dumpSchema } from './schema-dump.ts'

/**
 * `npm run schema:dump`: writes down what the migrations make. Always with the embedded PostgreSQL, since
 * other versions print some definitions in other words.
 */
const folder = await mkdtemp(path.join(tmpdir(), 'leasehold-schema-'))
const embedded = await EmbeddedPostgres.start({ dataDir: path.join(folder, 'data') })
try {
  const client = new pg.Client({ connectionString: embedded.url })
  await migrateUp({ url: embedded.url, schema: 'leasehold' })
  await client.connect()
  await writeCommittedSchema(await dumpSchema(client, 'leasehold'))
  await client.end()
} finally {
  await embedded.stop()
  await rm(folder, { recursive: true, force: true })
}
