import type { Config } from './config.ts'
import { EmbeddedPostgres } from './database/embedded/embedded-postgres.ts'
import type { PoolSettings } from './database/pool.ts'

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
  const embedded = await EmbeddedPostgres.start({ dataDir: config.DATA_DIR, onEvent })
  return {
    url: embedded.url,
    description: `embedded PostgreSQL ${embedded.version}, files in ${config.DATA_DIR}`,
    embedded,
    release: () => embedded.stop(),
  }
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
