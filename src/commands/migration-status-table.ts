import type { MigrationStatus } from '../database/migrations/migration-state.ts'

/** For people: one line a migration, in columns. */
export function statusTable(statuses: readonly MigrationStatus[]): string {
  const rows = [
    ['migration', 'state', 'applied at'],
    ...statuses.map(({ name, state, appliedAt }) => [
      name,
      state.replaceAll('_', ' '),
      appliedAt === null ? '-' : `${appliedAt.toISOString().slice(0, 19).replace('T', ' ')} UTC`,
    ]),
  ]
  const widths = [0, 1, 2].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(
      row =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** For programs: an array of `{name, state, applied_at}`, the time in ISO 8601 or null. */
export function statusJson(statuses: readonly MigrationStatus[]): string {
  const items = statuses.map(({ name, state, appliedAt }) => ({ name, state, applied_at: appliedAt }))
  return `${JSON.stringify(items, null, 2)}\n`
}
