import pg from 'pg'
import { migrateUp } from '../../src/database/migrations/migrate.ts'

/** A database with all migrations applied, from which each test's own is copied in some milliseconds. */
export const TEMPLATE_DATABASE = 'leasehold_test_template'

/** Makes the template anew on a server. */
export async function prepareTemplate(serverUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    await client.query(`drop database if exists ${TEMPLATE_DATABASE} with (force)`)
    await client.query(`create database ${TEMPLATE_DATABASE} template template0 encoding 'UTF8'`)
  } finally {
    await client.end()
  }
  const url = new URL(serverUrl)
  url.pathname = `/${TEMPLATE_DATABASE}`
  await migrateUp({ url: url.href, schema: 'leasehold' })
}
