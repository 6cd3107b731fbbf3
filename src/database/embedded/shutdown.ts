import { setTimeout as pause } from 'node:timers/promises'
import type { Binaries } from './binaries.ts'
import { codeOf, EmbeddedPostgresError, reasonOf } from './embedded-error.ts'
import { isAlive } from './process-state.ts'
import { runProgram } from './program.ts'

const POLL_MS = 10

/**
 * PostgreSQL's ways to stop, from the kind one on: `fast` cuts the clients off and writes a checkpoint,
 * `immediate` leaves the recovery to the next start, `kill` is for a server that does neither.
 */
const STEPS = [
  { signal: 'SIGINT', pgCtl: 'INT', waitMs: 30_000 },
  { signal: 'SIGQUIT', pgCtl: 'QUIT', waitMs: 10_000 },
  { signal: 'SIGKILL', pgCtl: 'KILL', waitMs: 5_000 },
] as const

/** Stops a postmaster, whoever started it. Resolves when it is gone, after 45 s at most; rejects if it stays. */
export async function shutDown(pid: number, binaries: Binaries): Promise<void> {
  for (const step of STEPS) {
    try {
      if (process.platform === 'win32') {
        await runProgram(binaries.pgCtl, ['kill', step.pgCtl, String(pid)], { timeoutMs: step.waitMs })
      } else {
        process.kill(pid, step.signal)
      }
    } catch (error) {
      if (codeOf(error) === 'ESRCH') return
      throw new EmbeddedPostgresError(
        `The PostgreSQL with the process id ${pid} cannot be stopped: ${reasonOf(error)}`,
      )
    }
    const deadline = performance.now() + step.waitMs
    while (performance.now() < deadline) {
      if (!(await isAlive(pid))) return
      await pause(POLL_MS)
    }
  }
  throw new EmbeddedPostgresError(`The PostgreSQL with the process id ${pid} does not end.`)
}
