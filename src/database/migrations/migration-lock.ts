import { setTimeout as delay } from 'node:timers/promises'
import { MigrationError } from './migration-error.ts'
import type { MigrationSettings } from './migration-settings.ts'
import type { RunQuery } from './migration-table.ts'

/**
 * Two numbers, not one: such locks live apart from those with one, in which resources are claimed. The second
 * is the schema's, so that two schemas in one database do not wait for each other, as they would with the one
 * key that node-pg-migrate has for all.
 */
const LOCK_CLASS = 0x6c68
const OTHER_RUN_TIMEOUT_MS = 600_000
const POLL_MS = 200
const REMINDER_MS = 10_000

/**
 * Takes the lock that lets one run at a time change the schema, and keeps it until the connection ends.
 *
 * It tries again and again instead of waiting inside PostgreSQL: a statement that waits has a snapshot, for
 * whose end `create index concurrently` waits in turn, and the two would never come to an end.
 */
export async function lockMigrations(query: RunQuery, settings: MigrationSettings): Promise<void> {
  const timeoutMs = settings.otherRunTimeoutMs ?? OTHER_RUN_TIMEOUT_MS
  const startedAt = performance.now()
  let nextReminderMs = 0
  for (;;) {
    const { rows } = await query('select pg_try_advisory_lock($1::int, hashtext($2)) as locked', [
      LOCK_CLASS,
      settings.schema,
    ])
    if (rows[0]?.locked === true) return
    const waitedMs = performance.now() - startedAt
    if (waitedMs >= timeoutMs) {
      throw new MigrationError(
        `gave up after ${Math.round(waitedMs / 1000)} s: another run of the migrations${await holder(query, settings)} has not ended`,
      )
    }
    if (waitedMs >= nextReminderMs) {
      settings.log?.(`waiting for another run of the migrations${await holder(query, settings)} to end`)
      nextReminderMs += REMINDER_MS
    }
    await delay(POLL_MS * (0.5 + Math.random()))
  }
}

async function holder(query: RunQuery, settings: MigrationSettings): Promise<string> {
  const { rows } = await query(
    `select pid from pg_catalog.pg_locks
     where locktype = 'advisory' and granted and objsubid = 2 and classid = $1
       and database = (select oid from pg_catalog.pg_database where datname = current_database())
       and objid = (hashtext($2)::bigint & 4294967295)::oid`,
    [LOCK_CLASS, settings.schema],
  )
  return rows[0] === undefined ? '' : ` (backend ${String(rows[0].pid)})`
}
