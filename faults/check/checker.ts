import { Worker } from 'node:worker_threads'
import type { CheckOptions } from './check-history.ts'
import type { CheckReply, CheckRequest } from './check-worker.ts'
import type { Verdict } from './violation.ts'

/** One thread that judges one history after the other, while the next one is made. */
export class Checker {
  readonly #worker: Worker
  #queue: Promise<unknown> = Promise.resolve()

  constructor() {
    this.#worker = new Worker(new URL('./check-worker.js', import.meta.url))
    this.#worker.unref()
  }

  check(path: string, options: CheckOptions): Promise<Verdict> {
    const verdict = this.#queue.then(() => this.#ask({ path, options }))
    this.#queue = verdict.catch(() => {})
    return verdict
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #ask(request: CheckRequest): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      this.#worker.ref()
      const onReply = (reply: CheckReply) => {
        this.#worker.off('error', reject)
        this.#worker.unref()
        if ('verdict' in reply) resolve(reply.verdict)
        else reject(new Error(`the check failed: ${reply.error}`))
      }
      this.#worker.once('error', reject)
      this.#worker.once('message', onReply)
      this.#worker.postMessage(request)
    })
  }
}
