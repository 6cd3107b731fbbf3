import type { MigrationFile } from './migration-file.ts'
import { CHECKSUM_SETTING } from './migration-table.ts'
import { splitStatements } from './split-statements.ts'

export type Direction = 'up' | 'down'

const LOCK_TIMEOUT_MS = 2_000
/** `concurrently` waits for transactions to end but has nobody queue behind it, so its wait may be long. */
const CONCURRENT_LOCK_TIMEOUT_MS = 60_000

/**
 * The texts to send, one after the other, for one direction of a migration; node-pg-migrate adds the row of
 * its table at the end, and begin and commit around a transactional one.
 *
 * The checksum travels in a setting that the new row's default reads. So it is written with the row or not at
 * all, in a migration without a transaction too.
 */
export function migrationSteps(
  file: MigrationFile,
  direction: Direction,
  lockTimeoutMs = LOCK_TIMEOUT_MS,
): string[] {
  const { sql } = file[direction]
  const checksum = direction === 'up' ? [`set ${CHECKSUM_SETTING} = '${file.checksum}';`] : []
  if (file.transactional) return [`set local lock_timeout = ${lockTimeoutMs};`, sql, ...checksum]
  const statements = splitStatements(sql).flatMap(statement => {
    const timeoutMs = /\bconcurrently\b/i.test(statement) ? CONCURRENT_LOCK_TIMEOUT_MS : lockTimeoutMs
    return [`set lock_timeout = ${timeoutMs};`, `${statement};`]
  })
  return [...statements, ...checksum]
}
