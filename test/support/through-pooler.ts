import pg from 'pg'

/** The role that PgBouncer connects as: it carries what the service cannot set through a pooler. */
export const POOLED_ROLE = 'leasehold_pooled'

/** What a test wants of its connections; undefined where it takes what all have. */
export interface TimeOuts {
  readonly statementTimeoutMs?: number | undefined
  readonly lockTimeoutMs?: number | undefined
}

/** Why a test cannot run where the services of this run work through a pooler; false where they do not. */
export function directOnly(reason: string): string | false {
  return process.env.TEST_POOLER_HOST === undefined ? false : reason
}

/**
 * The same database by way of the pooler of this run; undefined where there is none, and for servers and roles of a
 * test's own.
 */
export function throughPooler(url: string): string | undefined {
  const { TEST_POOLER_HOST: host, TEST_DATABASE_URL: server } = process.env
  if (host === undefined || server === undefined) return undefined
  const wanted = new URL(url)
  const { host: serverHost, username } = new URL(server)
  return wanted.host === serverHost && wanted.username === username ? withHost(url, host) : undefined
}

/** What a service of a test is told besides. */
export function pooledEnvironment(url: string | undefined): Readonly<Record<string, string>> {
  const address = url === undefined || !URL.canParse(url) ? undefined : throughPooler(url)
  return address === undefined ? {} : { DATABASE_URL: address, DATABASE_TRANSACTION_POOLER: 'true' }
}

/** Lets the role carry the time-outs, as an operator has to; for connections to the database that come from now on. */
export async function carryTimeOuts(
  url: string,
  { statementTimeoutMs, lockTimeoutMs }: TimeOuts,
): Promise<void> {
  const settings = { statement_timeout: statementTimeoutMs, lock_timeout: lockTimeoutMs }
  const wanted = Object.entries(settings).filter(([, ms]) => ms !== undefined)
  if (wanted.length === 0 || throughPooler(url) === undefined) return
  const database = pg.escapeIdentifier(new URL(url).pathname.slice(1))
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const [name, ms] of wanted) {
      await client.query(`alter role ${POOLED_ROLE} in database ${database} set ${name} = '${ms}ms'`)
    }
  } finally {
    await client.end()
  }
}

export function withHost(url: string, host: string): string {
  const address = new URL(url)
  address.host = host
  return address.href
}
