import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { MigrationError } from './migration-error.ts'

/** The repository's own migrations, seen from `build/src/database/migrations/`. */
const OWN_MIGRATIONS = new URL('../../../../migrations/', import.meta.url)

const FILE_NAME = /^(\d{4})_[a-z0-9-]+\.sql$/
/** The markers of node-pg-migrate's SQL format, so that a file means the same to its own command line. */
const MARKER = /^[^\S\n]*--[\s-]*(up|down)\s+migration/gim
const NO_TRANSACTION = /^--\s*no transaction\s*$/im

/** A part of a file, with the line of the file on which it begins, counted from 1. */
export interface MigrationSection {
  readonly sql: string
  readonly firstLine: number
}

export interface MigrationFile {
  /** The file's name without `.sql`: what the table of migrations records. */
  readonly name: string
  /** SHA-256 of the text in hex. Line endings and a byte order mark do not count. */
  readonly checksum: string
  readonly up: MigrationSection
  readonly down: MigrationSection
  /** False where the file says `-- no transaction` ahead of its first section. */
  readonly transactional: boolean
}

export function migrationsDirectory(directory: URL | string = OWN_MIGRATIONS): string {
  return directory instanceof URL ? fileURLToPath(directory) : directory
}

/** Names begin with a number of four digits, so their order as text is the order of application. */
export function byName(left: string, right: string): number {
  return left < right ? -1 : Number(left > right)
}

/**
 * The names of the migrations in a folder, in the order in which they are applied. What does not end in `.sql`
 * is not looked at. Throws a MigrationError for a `.sql` file that is misnamed, since it would be left out in
 * silence, and for a number that two files have.
 */
export async function migrationNames(directory?: URL | string): Promise<readonly string[]> {
  const folder = migrationsDirectory(directory)
  const names: string[] = []
  const fileOfNumber = new Map<string, string>()
  for (const file of (await readFolder(folder)).sort(byName)) {
    if (file.startsWith('.') || !file.toLowerCase().endsWith('.sql')) continue
    const number = FILE_NAME.exec(file)?.[1]
    if (number === undefined) {
      throw new MigrationError(
        `${path.join(folder, file)}: the name of a migration is four digits, an underscore and lower-case words joined by hyphens, as in 0001_create-locks.sql`,
      )
    }
    const earlier = fileOfNumber.get(number)
    if (earlier !== undefined) {
      throw new MigrationError(
        `${folder}: ${earlier} and ${file} have the same number; renumber the newer one`,
      )
    }
    fileOfNumber.set(number, file)
    names.push(file.slice(0, -'.sql'.length))
  }
  return names
}

/** The migrations of a folder with their text, in the order in which they are applied. */
export async function readMigrationFiles(directory?: URL | string): Promise<readonly MigrationFile[]> {
  const folder = migrationsDirectory(directory)
  const names = await migrationNames(folder)
  return Promise.all(
    names.map(async name => {
      const file = path.join(folder, `${name}.sql`)
      return parseMigration(name, await readFile(file, 'utf8'), file)
    }),
  )
}

/** `origin` is what an error calls the file. */
export function parseMigration(name: string, content: string, origin = `${name}.sql`): MigrationFile {
  const text = content.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const [up, down, ...more] = [...text.matchAll(MARKER)]
  if (up?.[1]?.toLowerCase() !== 'up' || down?.[1]?.toLowerCase() !== 'down' || more.length > 0) {
    throw new MigrationError(
      `${origin}: a migration has one line "-- Up Migration" and after it one line "-- Down Migration"`,
    )
  }
  const section = (start: number, end?: number): MigrationSection => ({
    sql: text.slice(start, end).trimEnd(),
    firstLine: text.slice(0, start).split('\n').length,
  })
  return {
    name,
    checksum: createHash('sha256').update(text).digest('hex'),
    up: section(up.index, down.index),
    down: section(down.index),
    transactional: !NO_TRANSACTION.test(text.slice(0, up.index)),
  }
}

async function readFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    throw new MigrationError(`the folder of the migrations cannot be read: ${String(error)}`, {
      cause: error,
    })
  }
}
