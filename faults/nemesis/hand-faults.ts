import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import { DATABASE, SERVICE_ROLE } from '../servers/postgres-node.ts'
import { between, type Fault, oneOf, type Stage } from './fault.ts'

const TOO_MANY = 80

/** What a DBA does to a server at work, and should not. */
export const HAND_FAULTS: readonly Fault[] = [
  {
    kind: 'lock deleted by hand',
    lane: 'hand',
    weight: 4,
    run: async ({ hand }) => ((await hand.deleteLock()) ? 'a row was deleted' : undefined),
  },
  {
    kind: 'session ended by hand',
    lane: 'hand',
    weight: 4,
    run: async ({ hand }) => ((await hand.endSession()) ? 'a row was ended' : undefined),
  },
  {
    kind: 'connections terminated',
    lane: 'hand',
    weight: 3,
    async run({ cluster, random }) {
      const share = oneOf(random, [0.2, 1])
      const rows = await cluster.primary.query<{ done: boolean }>(
        `select pg_terminate_backend(pid) as done from pg_stat_activity
         where application_name = 'leasehold' and random() < $1`,
        [share],
      )
      const count = rows.filter(({ done }) => done).length
      return count > 0 ? `${count} connections terminated` : undefined
    },
  },
  {
    kind: 'rows locked for long',
    lane: 'hand',
    weight: 2,
    run: stage =>
      inTransaction(
        stage,
        `select from ${stage.hand.schema}.sessions order by random() limit 40 for update skip locked`,
        'rows were locked',
      ),
  },
  {
    kind: 'table locked',
    lane: 'hand',
    weight: 1,
    run: stage =>
      inTransaction(
        stage,
        `set local lock_timeout = '500ms'; lock table ${stage.hand.schema}.locks in ${oneOf(stage.random, [
          'share',
          'access exclusive',
        ])} mode`,
        'the table was locked',
      ),
  },
  {
    kind: 'transaction left open',
    lane: 'hand',
    weight: 1,
    run: stage =>
      inTransaction(
        stage,
        `set transaction isolation level repeatable read; select count(*) from ${stage.hand.schema}.locks`,
        'an old snapshot was held',
      ),
  },
  {
    kind: 'vacuum full',
    lane: 'hand',
    weight: 1,
    run: stage => maintenance(stage, ['vacuum full', 'vacuum', 'cluster']),
  },
  {
    kind: 'reindex',
    lane: 'hand',
    weight: 1,
    run: stage => maintenance(stage, ['reindex table', 'reindex table concurrently']),
  },
  {
    kind: 'too many connections',
    lane: 'hand',
    weight: 2,
    async run({ cluster, databaseProxies, random }) {
      const { primary } = cluster
      const held: pg.Client[] = []
      let refusals = 0
      // the services have to come back for theirs
      oneOf(random, databaseProxies).cutAll()
      const attempts = Array.from({ length: TOO_MANY }, () =>
        primary.connect(DATABASE, SERVICE_ROLE).then(
          client => held.push(client),
          (error: unknown) => {
            if (error instanceof Error && /too many|remaining connection slots/.test(error.message))
              refusals += 1
          },
        ),
      )
      await Promise.all(attempts)
      await pause(between(random, 200, 1500))
      await Promise.all(held.map(client => client.end().catch(() => {})))
      return refusals > 0 ? `${refusals} connections refused` : undefined
    },
  },
]

async function inTransaction(
  { cluster, random }: Stage,
  sql: string,
  what: string,
): Promise<string | undefined> {
  const client = await cluster.primary.connect()
  try {
    await client.query('begin')
    await client.query(sql)
    await pause(between(random, 300, 2500))
    await client.query('rollback')
    return what
  } catch {
    return undefined
  } finally {
    void client.end().catch(() => {})
  }
}

async function maintenance(
  { cluster, random, hand }: Stage,
  commands: readonly string[],
): Promise<string | undefined> {
  const command = oneOf(random, commands)
  const table = `${hand.schema}.${oneOf(random, ['locks', 'sessions'])}`
  const using =
    command === 'cluster' ? ` using ${table.endsWith('locks') ? 'locks_pkey' : 'sessions_pkey'}` : ''
  const client = await cluster.primary.connect()
  try {
    await client.query(`set lock_timeout = '2s'`)
    await client.query(`${command} ${table}${using}`)
    return `${command} ${table}`
  } catch {
    return undefined
  } finally {
    void client.end().catch(() => {})
  }
}
