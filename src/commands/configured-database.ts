import { configOfProcess } from '../config.ts'
import { EmbeddedPostgres } from '../database/embedded/embedded-postgres.ts'

export interface ConfiguredDatabase {
  readonly url: string
  readonly schema: string
}

/** Runs a task on the database that the service would use; an embedded one is started if it has to be. */
export async function withConfiguredDatabase<Result>(
  task: (database: ConfiguredDatabase) => Promise<Result>,
): Promise<Result> {
  const { DATABASE_URL: url, DATABASE_SCHEMA: schema, DATA_DIR: dataDir } = configOfProcess()
  if (url !== undefined) return task({ url, schema })
  const embedded = await EmbeddedPostgres.start({ dataDir })
  try {
    return await task({ url: embedded.url, schema })
  } finally {
    await embedded.stop()
  }
}
