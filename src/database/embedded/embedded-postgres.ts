import { setTimeout as pause } from 'node:timers/promises'
import { type Attachment, attach } from './attach.ts'
import { writeUrl } from './data-folder.ts'
import { reasonOf } from './embedded-error.ts'
import { findPostmaster } from './postmaster-file.ts'
import type { ServerProcess } from './server-process.ts'
import { type OnEvent, type Setup, setUp } from './setup.ts'
import { shutDown } from './shutdown.ts'

const FIRST_BACKOFF_MS = 250
const LONGEST_BACKOFF_MS = 10_000
/** A server that lived for so long was well: the next trouble is a new one. */
const HEALTHY_AFTER_MS = 60_000
/** A guest lets the process that started the server start it again, and does it itself only where nobody does. */
const GUEST_PATIENCE_MS = 3_000
const END_KNOWN_MS = 100

export interface EmbeddedOptions {
  /** Where the database, its log, its password and its URL are kept; made if it is missing. */
  readonly dataDir: string
  /** Settings of the server that override ours; those of the process that starts it count. */
  readonly settings?: Readonly<Record<string, string>>
  readonly onEvent?: OnEvent
}

/**
 * A PostgreSQL that comes with the service and keeps its data in a folder. Several processes may share a folder:
 * the first starts the server and starts it again should it die, the last one that stops ends it.
 */
export class EmbeddedPostgres {
  readonly url: string
  readonly version: string
  readonly #setup: Setup
  readonly #abort = new AbortController()
  #attachment: Attachment
  #attachedAt = performance.now()
  #backoffMs = FIRST_BACKOFF_MS
  #recovery: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  private constructor(setup: Setup, attachment: Attachment, url: string) {
    this.#setup = setup
    this.#attachment = attachment
    this.url = url
    this.version = attachment.lock.version
    this.#watch(attachment)
  }

  /**
   * Resolves when the server accepts connections: within 60 s, longer only while it recovers from a crash.
   * Rejects with an EmbeddedPostgresError whose message is for the person at the terminal.
   */
  static async start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
    const setup = await setUp(options.dataDir, options.settings ?? {}, options.onEvent ?? (() => {}))
    const signal = new AbortController().signal
    const attachment = await attach(setup, { port: undefined, server: undefined, patienceMs: 0, signal })
    const url = `postgres://leasehold:${setup.password}@127.0.0.1:${attachment.port}/leasehold`
    const embedded = new EmbeddedPostgres(setup, attachment, url)
    try {
      if (embedded.role === 'owner') await writeUrl(setup.folder, url)
    } catch (error) {
      await embedded.stop()
      throw error
    }
    embedded.#tell('embedded_postgres_ready', { role: embedded.role, port: attachment.port })
    return embedded
  }

  /** `owner` of a server that this process started, `guest` of another's. */
  get role(): 'owner' | 'guest' {
    return this.#ownServer() === undefined ? 'guest' : 'owner'
  }

  /** Stops the server unless other processes use it. Resolves when that is done; safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#abort.abort()
    await this.#recovery
    const { lock } = this.#attachment
    try {
      if (await this.#usedByOthers()) {
        this.#tell('embedded_postgres_left_running')
        return
      }
      await this.#stopServer()
      this.#tell('embedded_postgres_stopped')
    } finally {
      await lock.close()
    }
  }

  /**
   * Gives up our own registration before asking for the exclusive lock: of two that stop at once, the later one
   * to give up finds itself alone. The other order could leave a server that both believe the other needs.
   */
  async #usedByOthers(): Promise<boolean> {
    const { lock } = this.#attachment
    try {
      await lock.unshare()
      return !(await lock.excludeOthers())
    } catch {
      // The connection is gone, so the server is as good as gone: whoever still needs it starts it again.
      return this.#ownServer() === undefined
    }
  }

  async #stopServer(): Promise<void> {
    const own = this.#ownServer()
    if (own !== undefined) return own.stop()
    const found = await findPostmaster(this.#setup.folder.cluster)
    if (found.state === 'running') await shutDown(found.postmaster.pid, this.#setup.binaries)
  }

  #watch(attachment: Attachment): void {
    const gone = [attachment.lock.lost, ...(attachment.server === undefined ? [] : [attachment.server.ended])]
    void Promise.race(gone).then(() => {
      if (!this.#abort.signal.aborted) this.#recovery = this.#recover(attachment)
    })
  }

  /** Gets the server back, on the same port, since that is where the service will look for it. Never rejects. */
  async #recover(lost: Attachment): Promise<void> {
    const { signal } = this.#abort
    await lost.lock.close()
    if (performance.now() - this.#attachedAt > HEALTHY_AFTER_MS) this.#backoffMs = FIRST_BACKOFF_MS
    // A server's connections are cut a moment before its end is known.
    await Promise.race([lost.server?.ended, pause(END_KNOWN_MS)])
    this.#tell('embedded_postgres_lost', { ...lost.server?.exit })
    // Without its lock a server that lives looks abandoned to others: no time to lose.
    let backoffMs = this.#ownServer() === undefined ? this.#backoffMs : 0
    while (!signal.aborted) {
      try {
        await pause(backoffMs, undefined, { signal })
        this.#backoffMs = Math.min(2 * this.#backoffMs, LONGEST_BACKOFF_MS)
        backoffMs = this.#backoffMs
        const patienceMs = lost.server === undefined ? GUEST_PATIENCE_MS : 0
        const wish = { port: lost.port, server: this.#ownServer(), patienceMs, signal }
        this.#attachment = await attach(this.#setup, wish)
        this.#attachedAt = performance.now()
        this.#watch(this.#attachment)
        this.#tell('embedded_postgres_restored', { role: this.role, port: lost.port })
        return
      } catch (error) {
        if (!signal.aborted) this.#tell('embedded_postgres_restore_failed', { reason: reasonOf(error) })
      }
    }
  }

  #ownServer(): ServerProcess | undefined {
    const { server } = this.#attachment
    return server?.exit === undefined ? server : undefined
  }

  #tell(event: string, more: Record<string, unknown> = {}): void {
    this.#setup.onEvent({ event, data_dir: this.#setup.folder.root, ...more })
  }
}
