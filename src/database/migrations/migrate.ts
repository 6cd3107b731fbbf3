import { setTimeout as delay } from 'node:timers/promises'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { refuseBroken } from './inspect-migrations.ts'
import { messageOf, queryOf, withConnection } from './migration-connection.ts'
import { MigrationError } from './migration-error.ts'
import { type MigrationFile, migrationsDirectory, readMigrationFiles } from './migration-file.ts'
import { lockMigrations } from './migration-lock.ts'
import type { MigrationSettings } from './migration-settings.ts'
import { compareMigrations } from './migration-state.ts'
import { type Direction, migrationSteps } from './migration-steps.ts'
import {
  createMigrationsTableSql,
  createSchemaSql,
  MIGRATIONS_TABLE,
  migrationsTableExists,
  readAppliedMigrations,
  schemaExists,
} from './migration-table.ts'

const ATTEMPTS = 30
const LONGEST_PAUSE_MS = 5_000
/** lock_not_available and deadlock_detected: somebody else's transaction was in the way, and it will end. */
const TRY_AGAIN = new Set(['55P03', '40P01'])
const IGNORE_ALL_BUT_MIGRATIONS = '(?!\\d{4}_[a-z0-9-]+\\.sql$).*'
/** node-pg-migrate prints the whole text of a statement that failed; the error that is thrown says it shorter. */
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** What a run works with while it holds the lock of the migrations. */
interface Run {
  readonly client: pg.Client
  readonly settings: MigrationSettings
  readonly files: readonly MigrationFile[]
}

/**
 * Applies every pending migration and returns their names. Any number of callers may do so at once: each
 * migration is applied by one of them, and all return when everything is applied. Refuses to apply anything
 * where an applied file was changed or a pending one comes before an applied one.
 */
export function migrateUp(settings: MigrationSettings): Promise<readonly string[]> {
  return run(settings, applyPending)
}

/** Takes back the newest `count` applied migrations, the newest first, and returns their names. */
export function migrateDown(settings: MigrationSettings, count: number | 'all'): Promise<readonly string[]> {
  return run(settings, task => takeBack(task, count))
}

/** Takes back the newest migration and applies it again, for work on it. Returns its name, or none. */
export function migrateRedo(settings: MigrationSettings): Promise<readonly string[]> {
  return run(settings, async task => {
    const names = await takeBack(task, 1)
    for (const name of names) await runMigration(task, name, 'up')
    return names
  })
}

async function run<Result>(
  settings: MigrationSettings,
  task: (run: Run) => Promise<Result>,
): Promise<Result> {
  const files = await readMigrationFiles(settings.directory)
  return withConnection(settings, async client => {
    // a role's or a database's limits are meant for the service; a migration may take its time
    await client.query(
      "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set timezone = 'UTC'",
    )
    await lockMigrations(queryOf(client), settings)
    return task({ client, settings, files })
  })
}

async function applyPending(run: Run): Promise<readonly string[]> {
  const { client, settings, files } = run
  const query = queryOf(client)
  const statements = [
    ...((await schemaExists(query, settings.schema)) ? [] : createSchemaSql(settings.schema)),
    ...((await migrationsTableExists(query, settings.schema))
      ? []
      : createMigrationsTableSql(settings.schema)),
  ]
  if (statements.length > 0) await client.query(`begin; ${statements.join('; ')}; commit`)
  const statuses = compareMigrations(files, await readAppliedMigrations(query, settings.schema))
  refuseBroken(statuses)
  const pending = statuses.filter(({ state }) => state === 'pending').map(({ name }) => name)
  for (const name of pending) await runMigration(run, name, 'up')
  return pending
}

async function takeBack(run: Run, count: number | 'all'): Promise<readonly string[]> {
  const applied = await readAppliedMigrations(queryOf(run.client), run.settings.schema)
  const names = applied.map(({ name }) => name).reverse()
  const chosen = count === 'all' ? names : names.slice(0, count)
  const unknown = chosen.find(name => !run.files.some(file => file.name === name))
  if (unknown !== undefined) {
    throw new MigrationError(
      `nothing was taken back: there is no file for ${unknown}; use the version of the service that applied it`,
    )
  }
  for (const name of chosen) await runMigration(run, name, 'down')
  return chosen
}

/** One migration, in as many attempts as it takes to find its tables free. */
async function runMigration(run: Run, name: string, direction: Direction): Promise<void> {
  const { client, settings } = run
  const attempts = settings.attempts ?? ATTEMPTS
  for (let attempt = 1; ; attempt++) {
    const startedAt = performance.now()
    try {
      await runOnce(run, name, direction)
      const what = direction === 'up' ? 'applied' : 'took back'
      settings.log?.(`${what} ${name} in ${Math.round(performance.now() - startedAt)} ms`)
      return
    } catch (error) {
      // node-pg-migrate leaves a transaction that failed open; where the connection is gone, so is the transaction
      await client.query('rollback').catch(() => {})
      if (!(error instanceof pg.DatabaseError && TRY_AGAIN.has(error.code ?? '')) || attempt >= attempts) {
        throw failure(run, name, direction, error)
      }
      const pauseMs = Math.min(LONGEST_PAUSE_MS, 250 * 2 ** attempt) * (0.5 + Math.random() / 2)
      settings.log?.(
        `${name}: ${error.message}; nothing was changed, attempt ${attempt + 1} of ${attempts} in ${(pauseMs / 1000).toFixed(1)} s`,
      )
      await delay(pauseMs)
    }
  }
}

async function runOnce({ client, settings, files }: Run, name: string, direction: Direction): Promise<void> {
  const fileOf = new Map(files.map(file => [`${file.name}.sql`, file]))
  await runner({
    dbClient: client,
    schema: settings.schema,
    migrationsTable: MIGRATIONS_TABLE,
    dir: migrationsDirectory(settings.directory),
    ignorePattern: IGNORE_ALL_BUT_MIGRATIONS,
    direction,
    file: name,
    count: 1,
    // the lock is held already, and the order is judged by the names: the runner goes by the time of
    // application, which a clock that is set back turns round
    noLock: true,
    checkOrder: false,
    logger: SILENT,
    migrationLoaderStrategies: [
      {
        extensions: ['.sql'],
        loader: async paths =>
          paths.flatMap(path => {
            const file = fileOf.get(path.split(/[\\/]/).at(-1) ?? '')
            return file === undefined ? [] : [loaded(path, file, settings.lockTimeoutMs)]
          }),
      },
    ],
  })
}

/** A file as node-pg-migrate wants it. */
function loaded(path: string, file: MigrationFile, lockTimeoutMs: number | undefined) {
  const action = (direction: Direction) => (builder: StepCollector) => {
    if (!file.transactional) builder.noTransaction()
    for (const step of migrationSteps(file, direction, lockTimeoutMs)) builder.sql(step)
  }
  return { id: path, filePaths: [path], actions: { up: action('up'), down: action('down') } }
}

interface StepCollector {
  sql(text: string): unknown
  noTransaction(): unknown
}

function failure(run: Run, name: string, direction: Direction, error: unknown): MigrationError {
  const file = run.files.find(candidate => candidate.name === name)
  const line = file === undefined ? undefined : lineOf(file, direction, error)
  const place = line === undefined ? '' : ` (line ${line} of the file)`
  const left = file?.transactional === false ? 'its statements up to there stay; ' : 'it was rolled back; '
  const verb = direction === 'up' ? 'apply' : 'take back'
  return new MigrationError(`could not ${verb} ${name}; ${left}${messageOf(error)}${place}`, { cause: error })
}

/** PostgreSQL counts characters from the start of the text that it was sent, which is the whole section. */
function lineOf(file: MigrationFile, direction: Direction, error: unknown): number | undefined {
  if (!(error instanceof pg.DatabaseError) || !file.transactional) return undefined
  const position = Number(error.position)
  if (!(position >= 1)) return undefined
  const { sql, firstLine } = file[direction]
  return firstLine + [...sql].slice(0, position - 1).filter(character => character === '\n').length
}
