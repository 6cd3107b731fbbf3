import { type ChildProcess, spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { giveToFolderOwner, rotateLog } from './data-folder.ts'
import { EmbeddedPostgresError, reasonOf } from './embedded-error.ts'
import { commandFor } from './launcher.ts'
import { findPostmaster } from './postmaster-file.ts'
import { settingArguments } from './settings.ts'
import type { Setup } from './setup.ts'
import { shutDown } from './shutdown.ts'

const POLL_MS = 10
const TAIL_LINES = 20

/** How a server that we started ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * Why a server did not come up: another one holds the folder, its port is taken, the backends of a killed
 * predecessor are still on their way out, or something that no second try mends.
 */
export type Refusal = 'folder-in-use' | 'port-taken' | 'memory-in-use' | 'other'

/** A PostgreSQL that this process started. */
export class ServerProcess {
  readonly pid: number
  readonly port: number
  /** Resolves when it has ended. */
  readonly ended: Promise<Exit>
  exit: Exit | undefined
  readonly #setup: Setup
  readonly #logStart: number

  private constructor(setup: Setup, child: ChildProcess, pid: number, port: number, logStart: number) {
    this.#setup = setup
    this.#logStart = logStart
    this.pid = pid
    this.port = port
    this.ended = new Promise(resolve => {
      child.once('exit', (code, signal) => {
        this.exit = { code, signal }
        resolve(this.exit)
      })
    })
    child.unref()
  }

  /**
   * Starts a server. It gets a process group of its own, so that a Ctrl-C in the terminal does not end it before
   * the service has drained, and it writes to a file, so that it outlives us if others use it.
   */
  static async launch(setup: Setup, port: number): Promise<ServerProcess> {
    await rotateLog(setup.folder)
    const log = await open(setup.folder.log, 'a', 0o600).catch((error: unknown) => {
      throw new EmbeddedPostgresError(`${setup.folder.log} cannot be written: ${reasonOf(error)}`)
    })
    try {
      await giveToFolderOwner(setup.folder, setup.folder.log)
      const { size } = await log.stat()
      const args = ['-D', setup.folder.cluster, ...settingArguments(port, setup.settings)]
      const command = commandFor(setup.launcher, setup.binaries.postgres, args)
      const child = spawn(command.file, command.args, {
        ...command.options,
        stdio: ['ignore', log.fd, log.fd],
        detached: true,
      })
      await new Promise((resolve, reject) => {
        child.once('spawn', resolve)
        child.once('error', reject)
      })
      if (child.pid === undefined) throw new Error('no process id')
      return new ServerProcess(setup, child, child.pid, port, size)
    } catch (error) {
      throw new EmbeddedPostgresError(`${setup.binaries.postgres} cannot be started: ${reasonOf(error)}`)
    } finally {
      await log.close()
    }
  }

  /** Waits until it serves or, undefined, has done neither yet at the deadline of `performance.now()`. */
  async outcome(deadline: number, signal: AbortSignal): Promise<'ready' | Refusal | undefined> {
    while (performance.now() < deadline) {
      if (this.exit !== undefined) return refusalIn(await this.#log(), this.pid)
      const found = await findPostmaster(this.#setup.folder.cluster)
      if (found.state === 'running' && found.postmaster.pid === this.pid && found.postmaster.ready)
        return 'ready'
      await pause(POLL_MS, undefined, { signal })
    }
    return undefined
  }

  /** The last lines that it logged. */
  async logTail(): Promise<string> {
    return (await this.#log()).trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
  }

  async stop(): Promise<void> {
    if (this.exit === undefined) await shutDown(this.pid, this.#setup.binaries)
  }

  async #log(): Promise<string> {
    const log = await open(this.#setup.folder.log, 'r')
    try {
      const { size } = await log.stat()
      const length = Math.min(Math.max(size - this.#logStart, 0), 65_536)
      const { buffer, bytesRead } = await log.read(Buffer.alloc(length), 0, length, size - length)
      return buffer.subarray(0, bytesRead).toString()
    } finally {
      await log.close()
    }
  }
}

/** Why the server with this process id ended, by its lines in the log; others may write to the same file. */
export function refusalIn(log: string, pid: number): Refusal {
  const said = log
    .split('\n')
    .filter(line => line.includes(`[${pid}]`))
    .join('\n')
  if (/lock file "postmaster\.pid" already exists/.test(said)) return 'folder-in-use'
  if (/pre-existing shared memory block|lock file "postmaster\.pid" is empty/.test(said))
    return 'memory-in-use'
  if (
    /could not create any TCP\/IP sockets/.test(said) &&
    /Address already in use|could not bind/.test(said)
  ) {
    return 'port-taken'
  }
  return 'other'
}
