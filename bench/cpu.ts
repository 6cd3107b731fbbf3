import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts in hundredths of a second for programs, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100

/** The fields of /proc/<pid>/stat that are needed here. */
export interface ProcessStat {
  readonly parent: number
  /** CPU seconds of it and of the children that have ended. */
  readonly cpuSeconds: number
}

/** Reads a line of /proc/<pid>/stat. The program's name stands in parentheses and may hold anything. */
export function parseProcessStat(line: string): ProcessStat {
  // the fields from the third on: state, parent, ...; utime, stime, cutime and cstime are the 14th to 17th
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { parent: Number(fields[1]), cpuSeconds: ticks / TICKS_PER_SECOND }
}

/**
 * CPU seconds that these processes and all their descendants have used so far, those that have ended included.
 * Undefined where there is no /proc or no process. Reads synchronously, so that little happens meanwhile.
 */
export function cpuSecondsOf(roots: readonly number[]): number | undefined {
  if (roots.length === 0) return undefined
  const processes = readProcesses()
  if (processes === undefined || !roots.some(root => processes.has(root))) return undefined
  const children = new Map<number, number[]>()
  for (const [pid, { parent }] of processes) children.set(parent, [...(children.get(parent) ?? []), pid])
  const family = [...roots]
  // grows while it is walked
  for (const member of family) family.push(...(children.get(member) ?? []))
  return family.reduce((sum, pid) => sum + (processes.get(pid)?.cpuSeconds ?? 0), 0)
}

function readProcesses(): ReadonlyMap<number, ProcessStat> | undefined {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return undefined
  }
  const processes = new Map<number, ProcessStat>()
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue
    try {
      processes.set(Number(name), parseProcessStat(readFileSync(`/proc/${name}/stat`, 'utf8')))
    } catch {
      // it has ended meanwhile
    }
  }
  return processes
}
