import { byName, type MigrationFile } from './migration-file.ts'
import type { AppliedMigration } from './migration-table.ts'

/**
 * - applied: and the file is as it was.
 * - pending: to be applied next.
 * - changed: applied, but the file has another text by now.
 * - out_of_order: not applied, though a later one is.
 * - unknown: applied, but there is no such file. At the end it is the work of a newer version, and no fault.
 * - missing: applied, and a later file exists, so this one was deleted or renamed.
 */
export type MigrationState = 'applied' | 'pending' | 'changed' | 'out_of_order' | 'unknown' | 'missing'

export interface MigrationStatus {
  readonly name: string
  readonly state: MigrationState
  readonly appliedAt: Date | null
}

/** Both sides, in the order of names. */
export function compareMigrations(
  files: readonly Pick<MigrationFile, 'name' | 'checksum'>[],
  applied: readonly AppliedMigration[],
): readonly MigrationStatus[] {
  const fileOf = new Map(files.map(file => [file.name, file]))
  const appliedOf = new Map(applied.map(migration => [migration.name, migration]))
  const newestFile = [...fileOf.keys()].sort(byName).at(-1) ?? ''
  const newestApplied = [...appliedOf.keys()].sort(byName).at(-1) ?? ''
  const stateOf = (name: string): MigrationState => {
    const file = fileOf.get(name)
    const row = appliedOf.get(name)
    if (file === undefined) return name < newestFile ? 'missing' : 'unknown'
    if (row === undefined) return name < newestApplied ? 'out_of_order' : 'pending'
    return row.checksum === file.checksum ? 'applied' : 'changed'
  }
  return [...new Set([...fileOf.keys(), ...appliedOf.keys()])].sort(byName).map(name => ({
    name,
    state: stateOf(name),
    appliedAt: appliedOf.get(name)?.appliedAt ?? null,
  }))
}

/** `broken` wins: applying what is pending would not mend it. */
export function verdict(statuses: readonly MigrationStatus[]): 'up_to_date' | 'pending' | 'broken' {
  if (statuses.some(isBroken)) return 'broken'
  return statuses.some(({ state }) => state === 'pending') ? 'pending' : 'up_to_date'
}

/** One migration in a sentence. */
export function explanationOf({ name, state }: MigrationStatus): string {
  switch (state) {
    case 'applied':
      return `${name} is applied`
    case 'pending':
      return `${name} is pending`
    case 'changed':
      return `${name} was changed after it was applied`
    case 'out_of_order':
      return `${name} is pending though a later migration is applied`
    case 'unknown':
      return `${name} was applied by a newer version`
    case 'missing':
      return `${name} is applied, but its file is gone or was renamed`
  }
}

export function isBroken({ state }: MigrationStatus): boolean {
  return state === 'changed' || state === 'out_of_order' || state === 'missing'
}
