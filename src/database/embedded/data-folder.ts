import { randomBytes } from 'node:crypto'
import { chmod, chown, link, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isRoot } from './account.ts'
import { codeOf, EmbeddedPostgresError, reasonOf } from './embedded-error.ts'

const LONGEST_LOG_BYTES = 10 * 1024 * 1024

/** The paths of a data folder. */
export interface DataFolder {
  readonly root: string
  /** PostgreSQL's own folder. */
  readonly cluster: string
  readonly log: string
  readonly password: string
  /** Holds the server's current URL, for `psql "$(cat .data/url)"`. */
  readonly url: string
}

/** Makes the data folder if it is missing. */
export async function openDataFolder(dataDir: string): Promise<DataFolder> {
  const wanted = resolve(dataDir)
  try {
    const made = await mkdir(wanted, { recursive: true })
    // What is secret in it has a mode of its own; PostgreSQL, as another user, has to get in.
    if (made !== undefined && isRoot()) await chmod(wanted, 0o755)
  } catch (error) {
    throw new EmbeddedPostgresError(`The data folder ${wanted} cannot be made: ${reasonOf(error)}`)
  }
  const root = await realpath(wanted)
  return {
    root,
    cluster: join(root, 'postgres'),
    log: join(root, 'postgres.log'),
    password: join(root, 'password'),
    url: join(root, 'url'),
  }
}

/** The password of the cluster in the folder. */
export async function readPassword(folder: DataFolder): Promise<string> {
  const password = await readSecret(folder.password)
  if (password !== undefined) return password
  throw new EmbeddedPostgresError(
    `${folder.password} is missing, the password of the database in ${folder.cluster}. ` +
      'Put it back, or move the data folder away to start afresh.',
  )
}

/** Makes a password unless there is one. Two processes that make it at once get the same one. */
export async function makePassword(folder: DataFolder): Promise<string> {
  const kept = await readSecret(folder.password)
  if (kept !== undefined) return kept
  const draft = `${folder.password}.${randomBytes(6).toString('hex')}`
  await writeSecret(folder, draft, `${randomBytes(24).toString('hex')}\n`)
  try {
    await link(draft, folder.password)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
  return await readPassword(folder)
}

/** Writes the current URL, whole or not at all. */
export async function writeUrl(folder: DataFolder, url: string): Promise<void> {
  const draft = `${folder.url}.${randomBytes(6).toString('hex')}`
  await writeSecret(folder, draft, `${url}\n`)
  await rename(draft, folder.url)
}

/** The port of the last start, if there was one. */
export async function lastPort(folder: DataFolder): Promise<number | undefined> {
  const text = await readFile(folder.url, 'utf8').catch(() => '')
  const port = URL.canParse(text.trim()) ? Number(new URL(text.trim()).port) : 0
  return port > 0 ? port : undefined
}

/** Starts a new log where the old one has grown too long; one old log is kept. */
export async function rotateLog(folder: DataFolder): Promise<void> {
  const log = await stat(folder.log).catch(() => undefined)
  if (log !== undefined && log.size > LONGEST_LOG_BYTES) await rename(folder.log, `${folder.log}.1`)
}

/** Gives a file that root made in somebody's data folder to that somebody, who may be the next to start. */
export async function giveToFolderOwner(folder: DataFolder, file: string): Promise<void> {
  if (!isRoot()) return
  const owner = await stat(folder.root)
  if (owner.uid !== 0) await chown(file, owner.uid, owner.gid)
}

async function readSecret(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    if (text === '')
      throw new EmbeddedPostgresError(`${file} is empty; it should hold the database's password`)
    return text
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'EACCES') {
      throw new EmbeddedPostgresError(
        `${file} belongs to another user. Run the service as that user, or choose another DATA_DIR.`,
      )
    }
    throw error
  }
}

async function writeSecret(folder: DataFolder, file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600, flag: 'wx', flush: true })
    await giveToFolderOwner(folder, file)
  } catch (error) {
    throw new EmbeddedPostgresError(`${file} cannot be written: ${reasonOf(error)}`)
  }
}
