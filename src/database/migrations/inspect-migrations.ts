import { withReadOnlyConnection } from './migration-connection.ts'
import { MigrationError } from './migration-error.ts'
import { readMigrationFiles } from './migration-file.ts'
import type { MigrationSettings } from './migration-settings.ts'
import { compareMigrations, explanationOf, isBroken, type MigrationStatus } from './migration-state.ts'
import { migrationSteps } from './migration-steps.ts'
import {
  createMigrationsTableSql,
  createSchemaSql,
  MIGRATIONS_TABLE,
  migrationsTableExists,
  readAppliedMigrations,
  schemaExists,
} from './migration-table.ts'

/** Every migration that there is a file for or that was applied. Changes nothing and waits for nobody. */
export async function migrationStatus(settings: MigrationSettings): Promise<readonly MigrationStatus[]> {
  const files = await readMigrationFiles(settings.directory)
  return withReadOnlyConnection(settings, async query =>
    compareMigrations(files, await readAppliedMigrations(query, settings.schema)),
  )
}

/**
 * The SQL that `up` would run now, as a script for psql. Empty where nothing is pending. Changes nothing.
 * Throws a MigrationError where `up` would refuse.
 */
export async function planMigrations(settings: MigrationSettings): Promise<string> {
  const { schema } = settings
  const files = await readMigrationFiles(settings.directory)
  return withReadOnlyConnection(settings, async query => {
    const statuses = compareMigrations(files, await readAppliedMigrations(query, schema))
    refuseBroken(statuses)
    const pending = statuses.filter(({ state }) => state === 'pending').map(({ name }) => name)
    const preparation = [
      ...((await schemaExists(query, schema)) ? [] : createSchemaSql(schema)),
      ...((await migrationsTableExists(query, schema)) ? [] : createMigrationsTableSql(schema)),
    ]
    if (preparation.length === 0 && pending.length === 0) return ''
    const script = [
      '\\set ON_ERROR_STOP on',
      ...transaction(preparation.map(statement => `${statement};`)),
      `set search_path to "${schema}";`,
    ]
    for (const file of files.filter(({ name }) => pending.includes(name))) {
      const steps = [
        ...migrationSteps(file, 'up', settings.lockTimeoutMs),
        `insert into "${schema}".${MIGRATIONS_TABLE} (name, run_on) values ('${file.name}', now());`,
      ]
      script.push(`\n-- ${file.name}`, ...(file.transactional ? transaction(steps) : steps))
    }
    return `${script.join('\n')}\n`
  })
}

/** Throws a MigrationError where applying what is pending would not end well. */
export function refuseBroken(statuses: readonly MigrationStatus[]): void {
  const reasons = statuses.filter(isBroken).map(explanationOf)
  if (reasons.length > 0) throw new MigrationError(`nothing was applied: ${reasons.join('; ')}`)
}

function transaction(steps: readonly string[]): string[] {
  return steps.length === 0 ? [] : ['begin;', ...steps, 'commit;']
}
