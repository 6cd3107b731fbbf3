import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EmbeddedPostgresError } from './embedded-error.ts'

/** A user of the operating system. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** True where PostgreSQL would refuse to run as this process's user. */
export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/**
 * The user that PostgreSQL runs as when the service is root: whom the cluster belongs to already, else
 * `postgres`, else `nobody`.
 */
export async function accountForServer(cluster: string): Promise<Account> {
  const accounts = parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''))
  const owner = await stat(cluster).catch(() => undefined)
  if (owner !== undefined && owner.uid !== 0) {
    const known = accounts.find(account => account.uid === owner.uid)
    return { name: known?.name ?? `uid ${owner.uid}`, uid: owner.uid, gid: known?.gid ?? owner.gid }
  }
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find(candidate => candidate.name === name && candidate.uid > 0)
    if (account !== undefined) return account
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as. ' +
      'Run the service as another user, or set DATABASE_URL.',
  )
}

/** The accounts of an /etc/passwd. */
export function parsePasswd(text: string): Account[] {
  return text.split('\n').flatMap(line => {
    const [name, , uid, gid] = line.split(':')
    if (!name || !uid || !gid || name.startsWith('#')) return []
    return [{ name, uid: Number(uid), gid: Number(gid) }]
  })
}

/** The first folder on the way to a path that the account may not pass, judged by the mode bits alone. */
export async function firstBarrier(account: Account, path: string): Promise<string | undefined> {
  const folders: string[] = []
  for (let folder = path; ; folder = dirname(folder)) {
    folders.unshift(folder)
    if (dirname(folder) === folder) break
  }
  for (const folder of folders) {
    const entry = await stat(folder).catch(() => undefined)
    if (entry === undefined) return undefined
    const execute = entry.uid === account.uid ? 0o100 : entry.gid === account.gid ? 0o010 : 0o001
    if ((entry.mode & execute) === 0) return folder
  }
  return undefined
}
