import pg from 'pg'
import { MigrationError } from './migration-error.ts'
import type { MigrationSettings } from './migration-settings.ts'
import { checkSchemaName, type RunQuery } from './migration-table.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** For the statements that only look: they wait for nothing in a healthy database. */
const READ_TIMEOUT_MS = 10_000

/** Connects, runs the task and closes. Throws a MigrationError that names the server if it cannot be reached. */
export async function withConnection<Result>(
  settings: MigrationSettings,
  task: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  checkSchemaName(settings.schema)
  const client = connectionTo(settings.url)
  // without a listener, a server that goes away while nothing runs ends the process; the next statement tells
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    throw new MigrationError(`cannot connect to ${serverOf(client)}: ${messageOf(error)}`, { cause: error })
  }
  try {
    return await task(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** For looking only: the server refuses every change, and all statements see the same moment. */
export async function withReadOnlyConnection<Result>(
  settings: MigrationSettings,
  task: (query: RunQuery) => Promise<Result>,
): Promise<Result> {
  return withConnection(settings, async client => {
    await client.query('begin transaction isolation level repeatable read, read only')
    await client.query(`set local statement_timeout = ${READ_TIMEOUT_MS}`)
    return task(queryOf(client))
  })
}

export function queryOf(client: pg.Client): RunQuery {
  return (sql, parameters) => client.query(sql, [...parameters])
}

/** What an error says. A refused connection to a name with two addresses has its words in the errors inside. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

function connectionTo(url: string): pg.Client {
  try {
    return new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      application_name: 'leasehold migrate',
    })
  } catch (error) {
    throw new MigrationError(`the database's URL cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** Without user and password. */
function serverOf(client: pg.Client): string {
  return `database "${client.database ?? ''}" on ${client.host}:${client.port}`
}
