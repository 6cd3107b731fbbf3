import { configOfProcess } from '../config.ts'
import { Database } from '../database/database.ts'
import { SessionRepository } from '../database/session-repository.ts'
import { sweepAll } from '../locks/sweeper.ts'
import { findDatabaseServer, poolSettings } from '../service-database.ts'

/** Long enough that a small sweep says nothing but its result. */
const PROGRESS_EVERY_MS = 2000

const config = configOfProcess()
const server = await findDatabaseServer(config, () => {})
const database = new Database(
  poolSettings(config, server.url, () => {}),
  config.DATABASE_SCHEMA,
)
try {
  let said = performance.now()
  const { sessions, tombstones } = await sweepAll(
    new SessionRepository(database, config.TOMBSTONE_SECONDS),
    soFar => {
      if (performance.now() - said < PROGRESS_EVERY_MS) return
      said = performance.now()
      process.stderr.write(`${soFar.sessions} sessions so far\n`)
    },
  )
  process.stdout.write(`swept ${sessions} expired sessions and ${tombstones} tombstones\n`)
} catch (error) {
  process.stderr.write(`sweep: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  await database.close()
  await server.release()
}
