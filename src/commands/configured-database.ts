import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, configOfProcess } from '../config.ts'
import { findDatabaseServer } from '../service-database.ts'

export interface ConfiguredDatabase {
  readonly url: string
  readonly schema: string
  readonly config: Config
}

/** Runs a task on the database that the service would use; an embedded one is made and started if it has to be. */
export async function withConfiguredDatabase<Result>(
  task: (database: ConfiguredDatabase) => Promise<Result>,
): Promise<Result> {
  return await withDatabaseOf(configOfProcess(), task)
}

/**
 * The same for a task that makes no sense on an empty database. Who has forgotten DATABASE_URL must not be told that all is
 * well with one that was made for the question.
 */
export async function withExistingDatabase<Result>(
  task: (database: ConfiguredDatabase) => Promise<Result>,
): Promise<Result> {
  const config = configOfProcess()
  if (config.DATABASE_URL === undefined && !existsSync(join(config.DATA_DIR, 'postgres'))) {
    throw new Error(`there is no embedded database in ${config.DATA_DIR}; set DATABASE_URL, or DATA_DIR`)
  }
  return await withDatabaseOf(config, task)
}

async function withDatabaseOf<Result>(
  config: Config,
  task: (database: ConfiguredDatabase) => Promise<Result>,
): Promise<Result> {
  const server = await findDatabaseServer(config, () => {})
  try {
    return await task({ url: server.url, schema: config.DATABASE_SCHEMA, config })
  } finally {
    await server.release()
  }
}
