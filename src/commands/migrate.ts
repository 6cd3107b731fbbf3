import { parseArgs } from 'node:util'
import { migrationStatus, planMigrations } from '../database/migrations/inspect-migrations.ts'
import { migrateDown, migrateRedo, migrateUp } from '../database/migrations/migrate.ts'
import { messageOf } from '../database/migrations/migration-connection.ts'
import type { MigrationSettings } from '../database/migrations/migration-settings.ts'
import { explanationOf, verdict } from '../database/migrations/migration-state.ts'
import { type CommandOutput, isProgram, isWrongOption, TERMINAL } from './command-line.ts'
import { withConfiguredDatabase } from './configured-database.ts'
import { statusJson, statusTable } from './migration-status-table.ts'

const USAGE = `usage: npm run migrate -- <command>

  up          apply every pending migration
  down [n]    take back the newest migration, or the newest n
  down all    take back every migration: locks and keys are lost, and fencing tokens
              start again from the beginning
  redo        take back the newest migration and apply it again
  status      list the migrations and their state; --json for programs
  check       exit 0 when up to date, 3 when a migration is pending, 4 when an applied
              file was changed or the order is broken; changes nothing, waits for nobody
  plan        print the SQL that "up" would run, as a script for psql

Other failures exit 1, wrong usage exits 2.
The database is DATABASE_URL, its schema DATABASE_SCHEMA (default leasehold); without
DATABASE_URL it is the embedded PostgreSQL, whose files are under DATA_DIR.
`

export const EXIT_CODES = { done: 0, failed: 1, wrongUsage: 2, pending: 3, broken: 4 } as const

/** Finds the database, runs the task on it and lets it go. */
export type WithDatabase = (task: (settings: MigrationSettings) => Promise<number>) => Promise<number>

/** Runs one command line and returns its exit code. Never throws. Wrong usage does not touch the database. */
export async function runMigrate(
  argv: readonly string[],
  withDatabase: WithDatabase,
  output: CommandOutput,
): Promise<number> {
  try {
    const { positionals, values } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help === true) {
      output.result(USAGE)
      return EXIT_CODES.done
    }
    const task = taskOf(positionals, values.json ?? false, output)
    if (task === undefined) return wrongUsage(output, `migrate: cannot do "${argv.join(' ')}"`)
    return await withDatabase(settings => task({ log: line => output.remark(`${line}\n`), ...settings }))
  } catch (error) {
    if (isWrongOption(error)) return wrongUsage(output, `migrate: ${messageOf(error)}`)
    output.remark(`migrate: ${messageOf(error)}\n`)
    return EXIT_CODES.failed
  }
}

function taskOf(
  [command, argument, ...more]: readonly string[],
  json: boolean,
  output: CommandOutput,
): ((settings: MigrationSettings) => Promise<number>) | undefined {
  if (more.length > 0 || (argument !== undefined && command !== 'down') || (json && command !== 'status'))
    return
  switch (command) {
    case 'up':
      return async settings => {
        const names = await migrateUp(settings)
        return said(output, names.length === 0 ? 'nothing to apply' : `applied ${count(names)}`)
      }
    case 'down': {
      const howMany = argument === 'all' ? argument : numberFrom(argument ?? '1')
      if (howMany === undefined) return
      return async settings => {
        const names = await migrateDown(settings, howMany)
        return said(output, names.length === 0 ? 'nothing to take back' : `took back ${count(names)}`)
      }
    }
    case 'redo':
      return async settings => {
        const names = await migrateRedo(settings)
        return said(output, names.length === 0 ? 'nothing to redo' : `applied ${names.join(', ')} again`)
      }
    case 'status':
      return async settings => {
        const statuses = await migrationStatus(settings)
        output.result(json ? statusJson(statuses) : statusTable(statuses))
        return EXIT_CODES.done
      }
    case 'check':
      return settings => check(settings, output)
    case 'plan':
      return async settings => {
        const sql = await planMigrations(settings)
        output.result(sql === '' ? '-- nothing to apply\n' : sql)
        return EXIT_CODES.done
      }
    default:
      return
  }
}

async function check(settings: MigrationSettings, output: CommandOutput): Promise<number> {
  const statuses = await migrationStatus(settings)
  for (const status of statuses.filter(({ state }) => state !== 'applied')) {
    output.result(`${explanationOf(status)}\n`)
  }
  switch (verdict(statuses)) {
    case 'up_to_date':
      return said(output, 'up to date')
    case 'pending':
      output.result('run "npm run migrate -- up"\n')
      return EXIT_CODES.pending
    case 'broken':
      output.result('the migrations and the database disagree; "up" will refuse until they are mended\n')
      return EXIT_CODES.broken
  }
}

function numberFrom(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined
}

function count(names: readonly string[]): string {
  return names.length === 1 ? '1 migration' : `${names.length} migrations`
}

function said(output: CommandOutput, sentence: string): number {
  output.result(`${sentence}\n`)
  return EXIT_CODES.done
}

function wrongUsage(output: CommandOutput, problem: string): number {
  output.remark(`${problem}\n\n${USAGE}`)
  return EXIT_CODES.wrongUsage
}

if (isProgram(import.meta.url)) {
  process.exitCode = await runMigrate(process.argv.slice(2), withConfiguredDatabase, TERMINAL)
}
