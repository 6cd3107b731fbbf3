import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from './embedded-error.ts'
import { isZombie, worksIn } from './process-state.ts'

/** An empty lock file that is older was left by a crash: PostgreSQL fills it at once. */
const EMPTY_FOR_MS = 2_000

/** What `postmaster.pid` says of the server of a cluster. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly ready: boolean
}

/**
 * `none`: no server, and PostgreSQL deals with what is left of the last one. `stale`: no server either, but
 * PostgreSQL would take a zombie, or a stranger with the old process id, for one.
 */
export type Found =
  | { readonly state: 'none' }
  | { readonly state: 'stale'; readonly text: string }
  | { readonly state: 'running'; readonly postmaster: Postmaster }

const NONE: Found = { state: 'none' }

/** Finds the server of a cluster. */
export async function findPostmaster(cluster: string): Promise<Found> {
  const file = join(cluster, 'postmaster.pid')
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return NONE
    throw error
  }
  const postmaster = parsePostmaster(text)
  if (postmaster === undefined) {
    const written = await stat(file).catch(() => undefined)
    const old = written !== undefined && Date.now() - written.mtimeMs > EMPTY_FOR_MS
    return old
      ? { state: 'stale', text }
      : { state: 'running', postmaster: { pid: 0, port: 0, ready: false } }
  }
  try {
    process.kill(postmaster.pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return NONE
  }
  if ((await isZombie(postmaster.pid)) || !(await worksIn(postmaster.pid, cluster)))
    return { state: 'stale', text }
  return { state: 'running', postmaster }
}

/** Reads a `postmaster.pid`: the pid is in line 1, the port in 4, the state in 8. */
export function parsePostmaster(text: string): Postmaster | undefined {
  const lines = text.split('\n').map(line => line.trim())
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  const status = lines[7]
  return { pid, port: Number(lines[3]) || 0, ready: status === 'ready' || status === 'standby' }
}

/**
 * Removes a stale lock file. Another process may have judged the same and started a server since, whose file must
 * not be lost: so it is taken aside first, and put back if it is not the one that was judged.
 */
export async function removeStaleFile(cluster: string, judged: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  const aside = join(cluster, `postmaster.pid.${randomBytes(6).toString('hex')}`)
  try {
    await rename(file, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  try {
    if ((await readFile(aside, 'utf8')) !== judged) await link(aside, file)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(aside, { force: true })
  }
}
