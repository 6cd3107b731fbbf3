import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { once, testServer } from './database.ts'

/** What a tap test has. */
export interface Teardown {
  teardown(task: () => Promise<void>): void
}

/** An empty database of the test's own, gone when the test ends. */
export async function scratchDatabase(t: Teardown): Promise<{ readonly url: string }> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await once(testServer(), `create database ${name} template template0`)
  t.teardown(() => once(testServer(), `drop database ${name} with (force)`))
  const url = new URL(testServer())
  url.pathname = `/${name}`
  return { url: url.href }
}

/** The name of a schema that nobody else uses: cheaper than a database where that is enough. */
export function scratchSchema(): string {
  return `schema_${randomBytes(6).toString('hex')}`
}

/** A connection that is closed when the test ends, with a schema as its search_path. */
export async function connectedTo(t: Teardown, url: string, schema = 'public'): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}
