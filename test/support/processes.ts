import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

/** A process and everything it started, of a Linux machine. */
export async function family(pid: number): Promise<readonly number[]> {
  const children = new Map<number, number[]>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    // the name of the program stands in parentheses and may hold anything
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const all = [pid]
  for (const member of all) all.push(...(children.get(member) ?? []))
  return all
}

/** Whether some process has the folder for its working folder, of a Linux machine. Those that are dead have none. */
export async function isWorkedIn(folder: string): Promise<boolean> {
  const path = await realpath(folder)
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    if ((await readlink(`/proc/${name}/cwd`).catch(() => undefined)) === path) return true
  }
  return false
}

/** Sends a signal to a process and all its descendants; those that have gone meanwhile do not matter. */
export async function signalFamily(pid: number, signal: NodeJS.Signals): Promise<void> {
  for (const member of await family(pid)) {
    try {
      process.kill(member, signal)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
}

/** Asks again and again until the answer is true; an asking that fails counts as no. */
export async function eventually(
  what: string,
  ask: () => Promise<boolean>,
  deadlineMs = 60_000,
): Promise<number> {
  const started = performance.now()
  for (;;) {
    if (await ask().catch(() => false)) return performance.now() - started
    if (performance.now() - started > deadlineMs) throw new Error(`${what}: not within ${deadlineMs} ms`)
    await pause(20)
  }
}
