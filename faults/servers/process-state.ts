import { readFile } from 'node:fs/promises'

/** The state letter of Linux: T while it is stopped. Undefined: it is gone. */
export async function processState(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat.slice(stat.lastIndexOf(')') + 2)[0]
}
