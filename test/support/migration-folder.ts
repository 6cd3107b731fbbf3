import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Teardown } from './scratch-database.ts'

/** A folder with these files, gone when the test ends. */
export async function migrationFolder(t: Teardown, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'leasehold-migrations-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content)
  return folder
}

/** The text of a migration. */
export function migration(up: string, down: string): string {
  return `-- Up Migration\n\n${up}\n\n-- Down Migration\n\n${down}\n`
}

/** Three migrations that make, fill and index a table. */
export const THREE_MIGRATIONS = {
  '0001_create-things.sql': migration('create table things (id integer primary key);', 'drop table things;'),
  '0002_fill-things.sql': migration('insert into things values (1), (2);', 'delete from things;'),
  '0003_index-things.sql': `-- no transaction\n${migration(
    'drop index concurrently if exists things_idx;\ncreate index concurrently things_idx on things (id);',
    'drop index concurrently things_idx;',
  )}`,
} as const
