import { randomBytes } from 'node:crypto'
import {
  chown,
  cp,
  lchown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Account } from './account.ts'
import type { Binaries } from './binaries.ts'
import type { DataFolder } from './data-folder.ts'
import { codeOf, EmbeddedPostgresError, reasonOf } from './embedded-error.ts'
import { commandFor, type Launcher } from './launcher.ts'
import { runProgram } from './program.ts'

const INITDB_TIMEOUT_MS = 60_000
/** Far longer than an initdb may take, so that whatever is older was left by a process that is gone. */
const LEFTOVER_AFTER_MS = 10 * 60_000
const WORK_PREFIX = 'postgres.init-'

/** True where the data folder holds a cluster, be it one that we may not look into. */
export async function hasCluster(folder: DataFolder): Promise<boolean> {
  try {
    return (await readdir(folder.cluster)).length > 0
  } catch (error) {
    return codeOf(error) !== 'ENOENT'
  }
}

/** Refuses a cluster that this server or this user cannot run. */
export async function checkCluster(folder: DataFolder, launcher: Launcher, major: string): Promise<void> {
  const version = (
    await readFile(join(folder.cluster, 'PG_VERSION'), 'utf8').catch(readRefusal(folder))
  ).trim()
  if (version !== major) {
    throw new EmbeddedPostgresError(
      `${folder.cluster} was made by PostgreSQL ${version}; the embedded one is ${major} and cannot read it. ` +
        'Dump it with its own version and restore the dump into a new DATA_DIR.',
    )
  }
  const { uid } = await stat(folder.cluster)
  if (launcher.account === undefined && process.getuid !== undefined && uid !== process.getuid()) {
    throw foreignOwner(folder, uid)
  }
  if (launcher.account !== undefined && uid === 0) await giveTree(folder.cluster, launcher.account)
}

/**
 * Makes the cluster under another name and then renames it, so that it is either whole or not there: a killed
 * first start leaves nothing that a second would take for a database. Of two that make it at once, one wins.
 */
export async function makeCluster(
  folder: DataFolder,
  binaries: Binaries,
  launcher: Launcher,
  password: string,
): Promise<void> {
  await removeLeftovers(folder)
  const work = join(folder.root, `${WORK_PREFIX}${randomBytes(6).toString('hex')}`)
  const draft = join(work, 'cluster')
  const passwordFile = join(work, 'password')
  let copy: string | undefined
  try {
    await mkdir(work, { mode: 0o700 })
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
    if (launcher.account !== undefined) {
      await chown(passwordFile, launcher.account.uid, launcher.account.gid)
      await chown(work, launcher.account.uid, launcher.account.gid)
    }
    let initdb = binaries.initdb
    if (!launcher.binariesReachable) {
      copy = await copyBinaries(binaries)
      initdb = join(copy, 'bin', basename(binaries.initdb))
    }
    await runInitdb(launcher, initdb, draft, passwordFile)
    await rename(draft, folder.cluster)
    await syncFolder(folder.root)
  } catch (error) {
    // Another process may have been faster, whose cluster is as good.
    if (await hasCluster(folder)) return
    if (error instanceof EmbeddedPostgresError) throw error
    throw new EmbeddedPostgresError(`The database could not be made in ${folder.root}: ${reasonOf(error)}`)
  } finally {
    await rm(work, { recursive: true, force: true })
    if (copy !== undefined) await rm(copy, { recursive: true, force: true })
  }
}

async function runInitdb(
  launcher: Launcher,
  initdb: string,
  cluster: string,
  passwordFile: string,
): Promise<void> {
  const command = commandFor(launcher, initdb, [
    `--pgdata=${cluster}`,
    '--username=leasehold',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-instructions',
  ])
  const result = await runProgram(command.file, command.args, {
    ...command.options,
    timeoutMs: INITDB_TIMEOUT_MS,
  })
  if (result.code !== 0) {
    throw new EmbeddedPostgresError(`The database could not be made in ${cluster}:\n${result.stderr.trim()}`)
  }
}

/**
 * initdb asks access(2) about its `postgres` by the full path, and access(2) does not count the capability that
 * carries PostgreSQL past closed folders. So for this one run it gets a copy where everybody may go.
 */
async function copyBinaries(binaries: Binaries): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'leasehold-initdb-'))
  await cp(binaries.home, copy, { recursive: true, verbatimSymlinks: true })
  const folder = await open(copy)
  await folder.chmod(0o755).finally(() => folder.close())
  return copy
}

/** A cluster that root copied or restored: it stays unusable until PostgreSQL's user owns it. */
async function giveTree(path: string, account: Account): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) await giveTree(child, account)
    else await lchown(child, account.uid, account.gid)
  }
  await chown(path, account.uid, account.gid)
}

async function removeLeftovers(folder: DataFolder): Promise<void> {
  for (const name of await readdir(folder.root)) {
    if (!name.startsWith(WORK_PREFIX)) continue
    const path = join(folder.root, name)
    const entry = await stat(path).catch(() => undefined)
    if (entry !== undefined && Date.now() - entry.mtimeMs > LEFTOVER_AFTER_MS) {
      await rm(path, { recursive: true, force: true })
    }
  }
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

function readRefusal(folder: DataFolder): (error: unknown) => never {
  return error => {
    if (codeOf(error) === 'EACCES') throw foreignOwner(folder, undefined)
    throw new EmbeddedPostgresError(
      `${folder.cluster} holds no PostgreSQL database (${reasonOf(error)}). Move it away, or choose another DATA_DIR.`,
    )
  }
}

function foreignOwner(folder: DataFolder, uid: number | undefined): EmbeddedPostgresError {
  const owner = uid === undefined ? 'another user' : `the user with the id ${uid}`
  return new EmbeddedPostgresError(
    `${folder.cluster} belongs to ${owner}. Run the service as that user (or as root), or choose another DATA_DIR.`,
  )
}
