import type { Config } from '../config.ts'
import { Database } from '../database/database.ts'
import { HistoryRepository } from '../database/history-repository.ts'
import { databaseProblem } from '../database/readiness.ts'
import { SessionRepository } from '../database/session-repository.ts'
import { keepHistory } from '../locks/history-keeper.ts'
import type { SweepCount } from '../locks/session-store.ts'
import { sweepAll } from '../locks/sweeper.ts'
import { poolSettings } from '../service-database.ts'
import { answerToArguments, isProgram, TERMINAL } from './command-line.ts'
import { withExistingDatabase } from './configured-database.ts'

const USAGE = `usage: npm run sweep

Ends all sessions that have expired, and deletes old tombstones and days of the history: what the
service does in the background. It takes no options. The database is DATABASE_URL; without it, the
embedded one under DATA_DIR. Exits 1 where that failed.
`

/** Long enough that a small sweep says nothing but its result. */
const PROGRESS_EVERY_MS = 2000

/** Sweeps until nothing is left, of the history as well. */
async function sweep(url: string, config: Config, progress: (text: string) => void): Promise<SweepCount> {
  const settings = poolSettings(config, url, () => {})
  const database = new Database(settings, config.DATABASE_SCHEMA)
  const bulk = new Database(
    { ...settings, statementTimeoutMs: config.DATABASE_BULK_TIMEOUT_MS },
    config.DATABASE_SCHEMA,
  )
  let said = performance.now()
  try {
    const count = await sweepAll(new SessionRepository(database, config.TOMBSTONE_SECONDS, { bulk }), {
      progress: soFar => {
        if (performance.now() - said < PROGRESS_EVERY_MS) return
        said = performance.now()
        progress(`${soFar.sessions} sessions so far\n`)
      },
    })
    await keepHistory(new HistoryRepository(database), config.HISTORY_DAYS)
    return count
  } finally {
    await Promise.all([database.close(), bulk.close()])
  }
}

async function main(): Promise<number> {
  const answered = answerToArguments('sweep', process.argv.slice(2), USAGE, TERMINAL)
  if (answered !== undefined) return answered
  try {
    const count = await withExistingDatabase(({ url, config }) => sweep(url, config, TERMINAL.remark))
    TERMINAL.result(`swept ${count.sessions} expired sessions and ${count.tombstones} tombstones\n`)
    return 0
  } catch (error) {
    TERMINAL.remark(`sweep: ${databaseProblem(error)}\n`)
    return 1
  }
}

if (isProgram(import.meta.url)) process.exitCode = await main()
