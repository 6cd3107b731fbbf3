import { readFile, stat } from 'node:fs/promises'
import { codeOf } from './embedded-error.ts'

/** True for a process that is dead but whose parent has not asked for its end: signals still find it. */
export async function isZombie(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return false
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The command in brackets may hold anything, so the state is what follows the last bracket.
  return /^\s*[ZX]/.test(text.slice(text.lastIndexOf(')') + 1))
}

/** True while a process runs (or is not ours to ask). */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  return !(await isZombie(pid))
}

/**
 * True unless the process is certainly not the PostgreSQL of this folder, which has it as its working folder.
 * In doubt true: two servers on one folder are worse than a start that is refused.
 */
export async function worksIn(pid: number, folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return true
  try {
    const [theirs, ours] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(folder)])
    return theirs.dev === ours.dev && theirs.ino === ours.ino
  } catch {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)
    if (command === undefined) return true
    return (command.split('\0')[0] ?? '').includes('postgres')
  }
}
