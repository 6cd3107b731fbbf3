import { type Config, configOfProcess } from '../config.ts'
import { findDatabaseServer } from '../service-database.ts'

export interface ConfiguredDatabase {
  readonly url: string
  readonly schema: string
  readonly config: Config
}

/** Runs a task on the database that the service would use; an embedded one is started if it has to be. */
export async function withConfiguredDatabase<Result>(
  task: (database: ConfiguredDatabase) => Promise<Result>,
): Promise<Result> {
  const config = configOfProcess()
  const server = await findDatabaseServer(config, () => {})
  try {
    return await task({ url: server.url, schema: config.DATABASE_SCHEMA, config })
  } finally {
    await server.release()
  }
}
