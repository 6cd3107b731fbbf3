import type { Config } from './config.ts'
import { EmbeddedPostgres } from './database/embedded/embedded-postgres.ts'
import type { PoolSettings } from './database/pool.ts'

/** One for the sweeper, one for whoever asks how things are. */
export const BACKGROUND_CONNECTIONS = 2

/** Imports and large sets of one process at a time: more would only compete for the same server. */
export const BULK_CONNECTIONS = 2

/** Of a first process that leaves requests to workers: background, the first key, its use of the embedded server. */
const FIRST_PROCESS_CONNECTIONS = BACKGROUND_CONNECTIONS + 2

/** What the embedded server allows at least, and what it leaves for people and other services of its folder. */
const EMBEDDED_CONNECTIONS = 100
const SPARE_CONNECTIONS = 10

/** The server that the settings name, or the embedded one. */
export interface DatabaseServer {
  readonly url: string
  /** For people: which one it is. */
  readonly description: string
  readonly embedded: EmbeddedPostgres | undefined
  release(): Promise<void>
}

/** Starts the embedded PostgreSQL where no DATABASE_URL is set. */
export async function findDatabaseServer(
  config: Config,
  onEvent: (event: { event: string; [detail: string]: unknown }) => void,
): Promise<DatabaseServer> {
  if (config.DATABASE_URL !== undefined) {
    const { hostname, port, pathname } = new URL(config.DATABASE_URL)
    return {
      url: config.DATABASE_URL,
      description: `PostgreSQL at ${hostname}${port === '' ? '' : `:${port}`}${pathname}`,
      embedded: undefined,
      release: async () => {},
    }
  }
  const embedded = await EmbeddedPostgres.start({
    dataDir: config.DATA_DIR,
    settings: { max_connections: String(embeddedConnections(config)) },
    onEvent,
  })
  return {
    url: embedded.url,
    description: `embedded PostgreSQL ${embedded.version}, files in ${config.DATA_DIR}`,
    embedded,
    release: () => embedded.stop(),
  }
}

function embeddedConnections({ WORKERS, DATABASE_POOL_SIZE }: Config): number {
  const each = DATABASE_POOL_SIZE + BACKGROUND_CONNECTIONS + BULK_CONNECTIONS
  return Math.max(EMBEDDED_CONNECTIONS, WORKERS * each + FIRST_PROCESS_CONNECTIONS + SPARE_CONNECTIONS)
}

export function poolSettings(config: Config, url: string, onIdleError: (error: Error) => void): PoolSettings {
  return {
    url,
    max: config.DATABASE_POOL_SIZE,
    connectTimeoutMs: config.DATABASE_CONNECT_TIMEOUT_MS,
    statementTimeoutMs: config.DATABASE_STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: config.DATABASE_LOCK_TIMEOUT_MS,
    transactionPooler: config.DATABASE_TRANSACTION_POOLER,
    allowUnsafe: config.ALLOW_UNSAFE_DATABASE,
    onIdleError,
  }
}
