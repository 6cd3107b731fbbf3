import { readdirSync, readFileSync } from 'node:fs'
import { parseProcessStat } from '../../bench/cpu.ts'

/**
 * Ends a process and everything it started, without waiting: for the end of this process. Those that are stopped would
 * never notice that their parent is gone.
 */
export function killFamilyAtOnce(pid: number): void {
  signalOne(pid, 'SIGSTOP')
  for (const member of familyNow(pid)) signalOne(member, 'SIGKILL')
}

/** A process and everything it started. Reads synchronously, so that little is started meanwhile. */
export function familyNow(pid: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const { parent } = parseProcessStat(readFileSync(`/proc/${name}/stat`, 'utf8'))
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // it has ended meanwhile
    }
  }
  const all = [pid]
  // grows while it is walked
  for (const member of all) all.push(...(children.get(member) ?? []))
  return all
}

/** It may have ended meanwhile. */
export function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
