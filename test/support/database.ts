import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { Database } from '../../src/database/database.ts'
import { LockRepository } from '../../src/database/lock-repository.ts'
import type { PoolSettings } from '../../src/database/pool.ts'
import { SessionRepository } from '../../src/database/session-repository.ts'
import type { AcquireOutcome, AcquireRequest, SessionChoice } from '../../src/locks/acquire.ts'
import type { Lock } from '../../src/locks/lock.ts'
import { TEMPLATE_DATABASE } from './template.ts'
import { carryTimeOuts, throughPooler } from './through-pooler.ts'

interface Test {
  teardown(task: () => Promise<void> | void): void
}

/** The server that the tests use: `npm test` starts one where none is named. */
export function testServer(): string {
  const url = process.env.TEST_DATABASE_URL
  if (url === undefined) throw new Error('run tests with `npm test`, or set TEST_DATABASE_URL')
  return url
}

/** A database of the test's own with all migrations applied. Dropped when the test ends. */
export async function freshDatabase(t: Test, serverUrl = testServer()): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  await once(serverUrl, `create database ${name} template ${TEMPLATE_DATABASE}`)
  t.teardown(() => once(serverUrl, `drop database ${name} with (force)`))
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

export async function once(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

/** Plain SQL on any database, a connection for each statement. */
export function sqlAt(url: string): Pick<Stores, 'sql'> {
  return {
    async sql<Row extends object>(text: string, parameters: readonly unknown[] = []) {
      const client = new pg.Client({ connectionString: url, options: '-c search_path=leasehold' })
      await client.connect()
      try {
        return (await client.query(text, [...parameters])).rows as Row[]
      } finally {
        await client.end()
      }
    },
  }
}

export const POOL_SETTINGS: Omit<PoolSettings, 'url'> = {
  max: 10,
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 20_000,
  lockTimeoutMs: 5000,
  transactionPooler: false,
  allowUnsafe: true,
  onIdleError: () => {},
}

export interface Stores {
  readonly url: string
  readonly database: Database
  readonly locks: LockRepository
  readonly sessions: SessionRepository
  /** Why requests were sent again. */
  readonly retries: string[]
  /** Plain SQL with the schema as search_path, as a DBA would type it. */
  sql<Row extends object = Record<string, unknown>>(
    text: string,
    parameters?: readonly unknown[],
  ): Promise<Row[]>
}

/**
 * Stores on a database; without `url` on a fresh one. Closed when the test ends. They work through the pooler of the
 * run, where it has one; `sql` never does.
 */
export async function openStores(t: Test, { url, ...settings }: Partial<PoolSettings> = {}): Promise<Stores> {
  const address = url ?? (await freshDatabase(t))
  const pooled = throughPooler(address)
  if (pooled !== undefined) await carryTimeOuts(address, settings)
  const way = pooled === undefined ? { url: address } : { url: pooled, transactionPooler: true }
  const database = new Database({ ...POOL_SETTINGS, ...settings, ...way }, 'leasehold')
  const retries: string[] = []
  const dba = new pg.Pool({ connectionString: address, options: '-c search_path=leasehold', max: 4 })
  dba.on('error', () => {})
  dba.on('connect', client => client.on('error', () => {}))
  t.teardown(async () => {
    await database.close()
    await dba.end()
  })
  return {
    url: address,
    database,
    retries,
    locks: new LockRepository(database, { retried: why => retries.push(why) }),
    sessions: new SessionRepository(database, 3600),
    async sql<Row extends object>(text: string, parameters: readonly unknown[] = []) {
      return (await dba.query(text, [...parameters])).rows as Row[]
    },
  }
}

/** A request for resources of one namespace and type, by their ids. */
export function request(
  ids: string | readonly string[],
  options: Partial<Omit<AcquireRequest, 'resources'>> = {},
): AcquireRequest {
  return {
    resources: [ids].flat().map(id => ({ namespace: 'tests', type: 'thing', id })),
    expand: 'none',
    holder: 'alice',
    client: null,
    session: { kind: 'implicit', ttlSeconds: 30 },
    reentry: 'session',
    takeover: null,
    replacesOwn: false,
    isSole: false,
    reference: null,
    metadata: {},
    ...options,
  }
}

/** A session with an id of the client's own. */
export function named(
  id: string = randomUUID(),
  ttlSeconds: number | null = 30,
  endsWithLastLock = true,
): Extract<SessionChoice, { kind: 'named' }> {
  return { kind: 'named', id, ttlSeconds, endsWithLastLock }
}

/** Sends one request. */
export async function acquire(stores: Stores, ...of: Parameters<typeof request>): Promise<AcquireOutcome> {
  const [outcome] = await stores.locks.acquire([request(...of)])
  if (outcome === undefined) throw new Error('no outcome')
  return outcome
}

/** The locks of an acquire that has to succeed. */
export async function granted(stores: Stores, ...of: Parameters<typeof request>): Promise<readonly Lock[]> {
  const outcome = await acquire(stores, ...of)
  if (outcome.kind !== 'granted') throw new Error(`not granted but ${JSON.stringify(outcome)}`)
  return outcome.grants.map(grant => grant.lock)
}

/** The lock of an acquire of one resource that has to succeed. */
export async function grantedOne(stores: Stores, ...of: Parameters<typeof request>): Promise<Lock> {
  const [lock] = await granted(stores, ...of)
  if (lock === undefined) throw new Error('no lock')
  return lock
}

/** Lets sessions run out, by moving all their times back: all of them, or one. */
export async function expire(stores: Stores, sessionId?: string): Promise<void> {
  await stores.sql(
    `update sessions set started = started - interval '2 days', last_touch = last_touch - interval '2 days',
       expires_at = expires_at - interval '2 days'
     where ttl is not null and ($1::uuid is null or id = $1)`,
    [sessionId ?? null],
  )
}

/** What may never be, as the audit shows it: each row is a fault, in words. */
export async function faults(stores: Pick<Stores, 'sql'>): Promise<readonly string[]> {
  const rows = await stores.sql<{ fault: string }>(
    `select concat_ws(' ', fault || ':', namespace, resource_type, resource_id, lock_id, detail) as fault from audit`,
  )
  return rows.map(row => row.fault)
}
