import { readFile, writeFile } from 'node:fs/promises'

/** The dump that is kept in the repository, seen from `build/test/support/`. */
const SCHEMA_FILE = new URL('../../../test/database/schema.sql', import.meta.url)

const HEADER = '-- What all migrations together make. Written by "npm run schema:dump", never by hand.\n\n'

/** The dump without its heading; empty where there is none yet. */
export async function readCommittedSchema(): Promise<string> {
  const text = await readFile(SCHEMA_FILE, 'utf8').catch(() => '')
  return text.replaceAll('\r\n', '\n').replace(HEADER, '')
}

export async function writeCommittedSchema(dump: string): Promise<void> {
  await writeFile(SCHEMA_FILE, HEADER + dump)
}
