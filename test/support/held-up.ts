import { Client } from './client.ts'
import { freshDatabase } from './database.ts'
import { connectedTo, type Teardown } from './scratch-database.ts'
import { type ServiceProcess, startListening } from './service-process.ts'
import { until } from './until.ts'

export interface HeldUp {
  readonly service: ServiceProcess
  readonly lockId: string
  /** A touch that the service has under way until `letGo`. */
  readonly answer: Promise<{ status: number }>
  letGo(): Promise<unknown>
  locks(): Promise<readonly string[]>
}

/** A service in the middle of a request, which waits for the row of a session that the test has locked. */
export async function heldUp(
  t: Teardown,
  environment: Readonly<Record<string, string>> = {},
): Promise<HeldUp> {
  const url = await freshDatabase(t)
  const service = await startListening(t, {
    DATABASE_URL: url,
    DATABASE_LOCK_TIMEOUT_MS: '60000',
    DATABASE_STATEMENT_TIMEOUT_MS: '60000',
    DRAIN_TIMEOUT_MS: '60000',
    ...environment,
  })
  await until('the welcome', () => service.said.out.includes('DELETE'))
  const client = new Client(service.url)
  t.teardown(async () => client.close())
  const { status, body } = await client.acquire('a', { ttl: 3600 })
  if (status !== 201) throw new Error(`not granted: ${status}`)
  const { id, session } = body.locks[0]

  const database = await connectedTo(t, url, 'leasehold')
  await database.query('begin')
  await database.query('select from sessions where id = $1 for update', [session])
  const answer = client.touch(id)
  answer.catch(() => undefined)
  const observer = await connectedTo(t, url, 'leasehold')
  await until('the touch waits', async () => {
    const { rows } = await observer.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  })
  return {
    service,
    lockId: id,
    answer,
    letGo: () => database.query('commit'),
    async locks() {
      const { rows } = await observer.query<{ id: string }>('select id from locks order by id')
      return rows.map(row => row.id)
    },
  }
}
