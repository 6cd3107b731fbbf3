import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** What a tap test has. */
export interface Teardown {
  teardown(task: () => Promise<void>): void
}

/** An empty database of the test's own on the server of TEST_DATABASE_URL, gone when the test ends. */
export async function scratchDatabase(t: Teardown): Promise<{ readonly url: string }> {
  const server = process.env.TEST_DATABASE_URL
  if (server === undefined) throw new Error('TEST_DATABASE_URL names the PostgreSQL server for the tests')
  const name = `test_${randomBytes(6).toString('hex')}`
  await onServer(server, `create database ${name} template template0`)
  t.teardown(() => onServer(server, `drop database ${name} with (force)`))
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href }
}

/** A connection that is closed when the test ends. */
export async function connectedTo(t: Teardown, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}

async function onServer(server: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
