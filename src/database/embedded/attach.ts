import { setTimeout as pause } from 'node:timers/promises'
import { lastPort } from './data-folder.ts'
import { codeOf, EmbeddedPostgresError, reasonOf } from './embedded-error.ts'
import { freePort } from './port.ts'
import { findPostmaster, type Postmaster, removeStaleFile } from './postmaster-file.ts'
import { ServerProcess } from './server-process.ts'
import type { Setup } from './setup.ts'
import { shutDown } from './shutdown.ts'
import { UsageLock } from './usage-lock.ts'

const POLL_MS = 25
const START_TIMEOUT_MS = 60_000
/** A server that says that it recovers is left to it: killing it would only make it begin again. */
const RECOVERY_TIMEOUT_MS = 600_000
const PROGRESS_MS = 2_000
/** Whoever started a server registers within moments; before that it only looks abandoned. */
const GRACE_SECONDS = 2

/** A server that is up and that this process is registered at. */
export interface Attachment {
  readonly lock: UsageLock
  readonly port: number
  /** The server, where this process started it. */
  readonly server: ServerProcess | undefined
}

export interface AttachOptions {
  /** Start and stop nothing on another port than this; undefined: any port. */
  readonly port: number | undefined
  /** The server that this process started before, if it did. */
  readonly server: ServerProcess | undefined
  /** Leave it to others for so long to start a server. */
  readonly patienceMs: number
  readonly signal: AbortSignal
}

/**
 * Gets this process a server of the data folder: joins the one that other processes use, or stops the one that a
 * killed process left behind and starts a new one, which then is our child and can be looked after.
 *
 * Any number of processes may do this at once. PostgreSQL's own lock file lets one of their servers live, and the
 * others join that. Everything is looked at again after each step, since another process may have been faster.
 */
export async function attach(setup: Setup, options: AttachOptions): Promise<Attachment> {
  const attempt = new Attempt(setup, options)
  try {
    return await attempt.run()
  } catch (error) {
    await attempt.abandon()
    throw error
  }
}

class Attempt {
  readonly #setup: Setup
  readonly #options: AttachOptions
  readonly #startedAt = performance.now()
  #server: ServerProcess | undefined
  #reportAt = this.#startedAt + PROGRESS_MS
  #port: number | undefined
  #waitingFor = 'the server to be ready'
  #recovering = false

  constructor(setup: Setup, options: AttachOptions) {
    this.#setup = setup
    this.#options = options
    this.#server = options.server
    this.#port = options.port
  }

  async run(): Promise<Attachment> {
    for (;;) {
      await this.#checkTime()
      if (this.#server?.exit !== undefined) this.#server = undefined
      const found = await findPostmaster(this.#setup.folder.cluster)
      if (found.state === 'running') {
        const attachment = await this.#join(found.postmaster)
        if (attachment !== undefined) return attachment
      } else if (this.#server === undefined && this.#elapsedMs() >= this.#options.patienceMs) {
        if (found.state === 'stale') {
          await removeStaleFile(this.#setup.folder.cluster, found.text)
          this.#tell('embedded_postgres_stale_lock_removed')
        }
        await this.#launch()
        continue
      }
      await this.#pause(POLL_MS)
    }
  }

  /** Leaves no server behind that only this attempt knows of. */
  async abandon(): Promise<void> {
    if (this.#server !== undefined && this.#server !== this.#options.server) await this.#server.stop()
  }

  async #join(postmaster: Postmaster): Promise<Attachment | undefined> {
    this.#recovering = !postmaster.ready
    if (!postmaster.ready) return undefined
    if (this.#options.port !== undefined && this.#options.port !== postmaster.port) {
      this.#waitingFor = `the server to be back on port ${this.#options.port} (another process runs it on ${postmaster.port})`
      return undefined
    }
    const lock = await this.#connect(postmaster.port)
    if (lock === undefined) return undefined
    let kept = false
    try {
      const ours = this.#server?.pid === postmaster.pid
      if (!ours && this.#options.port === undefined && !(await lock.usedByOthers())) {
        this.#waitingFor = 'the process that started the server to register at it'
        if (await lock.isYoungerThan(GRACE_SECONDS)) return undefined
        if (await lock.excludeOthers()) await this.#stopOrphan(postmaster)
        return undefined
      }
      if (!(await lock.share())) {
        this.#waitingFor = 'another process to stop the server'
        return undefined
      }
      kept = true
      return { lock, port: postmaster.port, server: ours ? this.#server : undefined }
    } catch (error) {
      if (error instanceof EmbeddedPostgresError) throw error
      // The server went away while it was asked.
      this.#waitingFor = `the server to answer (${reasonOf(error)})`
      return undefined
    } finally {
      if (!kept) await lock.close()
    }
  }

  async #connect(port: number): Promise<UsageLock | undefined> {
    try {
      return await UsageLock.connect(port, this.#setup.password)
    } catch (error) {
      if (codeOf(error) === '28P01') {
        throw new EmbeddedPostgresError(
          `The database of ${this.#setup.folder.root} refuses the password in ${this.#setup.folder.password}.`,
        )
      }
      this.#waitingFor = `the server to accept a connection (${reasonOf(error)})`
      return undefined
    }
  }

  async #stopOrphan(postmaster: Postmaster): Promise<void> {
    this.#tell('embedded_postgres_orphan_stopped', { pid: postmaster.pid })
    await shutDown(postmaster.pid, this.#setup.binaries)
  }

  async #launch(): Promise<void> {
    this.#port ??= await freePort(await lastPort(this.#setup.folder))
    const server = await ServerProcess.launch(this.#setup, this.#port)
    this.#server = server
    for (;;) {
      await this.#checkTime()
      const outcome = await server.outcome(Math.min(this.#reportAt, this.#deadline()), this.#options.signal)
      this.#recovering = outcome === undefined
      if (outcome === 'ready') return
      if (outcome === undefined) continue
      if (outcome === 'other') {
        const end = server.exit?.signal ?? `exit code ${server.exit?.code}`
        throw new EmbeddedPostgresError(
          `The embedded PostgreSQL did not start (${end}). ${this.#setup.folder.log} says:\n${await server.logTail()}`,
        )
      }
      return await this.#afterRefusal(outcome)
    }
  }

  async #afterRefusal(refusal: 'folder-in-use' | 'port-taken' | 'memory-in-use'): Promise<void> {
    if (refusal === 'port-taken' && this.#options.port === undefined) {
      this.#tell('embedded_postgres_port_taken', { port: this.#port })
      this.#port = await freePort()
      return
    }
    this.#waitingFor = {
      'folder-in-use': 'the server of another process',
      'port-taken': `the port ${this.#port} to be free`,
      'memory-in-use': 'the processes of the last server to end',
    }[refusal]
    await this.#pause(refusal === 'folder-in-use' ? POLL_MS : 10 * POLL_MS)
  }

  async #checkTime(): Promise<void> {
    this.#options.signal.throwIfAborted()
    const now = performance.now()
    if (now >= this.#deadline()) {
      const tail =
        this.#server === undefined ? '' : `\n${this.#setup.folder.log} says:\n${await this.#server.logTail()}`
      throw new EmbeddedPostgresError(
        `The embedded PostgreSQL of ${this.#setup.folder.root} did not start within ${Math.round(this.#elapsedMs() / 1000)} s: waited for ${this.#waitingFor}.${tail}`,
      )
    }
    if (now >= this.#reportAt) {
      this.#reportAt = now + PROGRESS_MS
      const event = this.#recovering ? 'embedded_postgres_recovering' : 'embedded_postgres_waiting'
      this.#tell(event, { seconds: Math.round(this.#elapsedMs() / 1000), waiting_for: this.#waitingFor })
    }
  }

  #deadline(): number {
    return this.#startedAt + (this.#recovering ? RECOVERY_TIMEOUT_MS : START_TIMEOUT_MS)
  }

  #elapsedMs(): number {
    return performance.now() - this.#startedAt
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#options.signal })
  }

  #tell(event: string, more: Record<string, unknown> = {}): void {
    this.#setup.onEvent({ event, data_dir: this.#setup.folder.root, ...more })
  }
}
