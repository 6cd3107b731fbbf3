import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import { DatabaseTrouble } from '../locks/errors.ts'
import { Gatherer, type GathererOptions } from './gatherer.ts'
import { isLockTimeout } from './trouble.ts'

/** Times that a request is sent past the rows that others have: most of them are let go with the next commit. */
const MAX_TRIES = 3

/** Of the pause before another try, in ms: about as long as a commit takes. */
const PAUSE_MS = { min: 2, max: 8 } as const

/** Statements that wait for rows, at a time: connections are for those that need not wait. */
const MAX_WAITING = 2

/** How long a statement may wait for its turn to wait, in ms. */
const MAX_WAIT_MS = 10_000

/** Not done, since another statement has the row of that session; nothing was changed. */
export class Busy {
  readonly sessionId: string

  constructor(sessionId: string) {
    this.sessionId = sessionId
  }
}

export interface RowSenders<Request, Answer> {
  /** Waits for no session's row. */
  readonly atOnce: (requests: readonly Request[]) => Promise<readonly (Answer | Busy)[]>
  readonly waiting: (requests: readonly Request[]) => Promise<readonly Answer[]>
}

interface Queue<Request, Answer> {
  readonly gatherer: Gatherer<Request, Answer>
  /** Requests that are not answered yet. */
  length: number
}

/**
 * Gathers requests that each need the row of a session, and lets only those wait for a row that another statement has
 * whose session it is. Else whoever keeps a row for long, such as an application that has asserted a lock in its
 * transaction, would hold up everybody who is in a batch with somebody who needs it.
 *
 * A request that meets such a row is sent past it a few times more, since most rows are only being written; then it waits,
 * together with all others for the same session, in one statement after the other.
 */
export class RowGatherer<Request, Answer> {
  readonly #atOnce: Gatherer<Request, Answer | Busy>
  readonly #waiting: (requests: readonly Request[]) => Promise<readonly Answer[]>
  readonly #options: GathererOptions<Request>
  readonly #queues = new Map<string, Queue<Request, Answer>>()
  readonly #turns = pLimit(MAX_WAITING)

  constructor({ atOnce, waiting }: RowSenders<Request, Answer>, options: GathererOptions<Request>) {
    this.#atOnce = new Gatherer(atOnce, options)
    this.#waiting = waiting
    this.#options = options
  }

  async add(request: Request): Promise<Answer> {
    // each has a statement of its own anyway
    if (this.#options.maxBatch === 1) return await this.#alone(request)
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#atOnce.add(request)
      if (!(answer instanceof Busy)) return answer
      if (attempt === MAX_TRIES) return await this.#wait(answer.sessionId, request)
      await delay(PAUSE_MS.min + Math.random() * (PAUSE_MS.max - PAUSE_MS.min))
    }
  }

  async #alone(request: Request): Promise<Answer> {
    const [answer] = await this.#waiting([request])
    // undefined is an answer too: there was no such lock
    return answer as Answer
  }

  async #wait(sessionId: string, request: Request): Promise<Answer> {
    const queue = this.#queues.get(sessionId) ?? this.#newQueue()
    this.#queues.set(sessionId, queue)
    queue.length += 1
    try {
      return await queue.gatherer.add(request)
    } finally {
      queue.length -= 1
      if (queue.length === 0) this.#queues.delete(sessionId)
    }
  }

  #newQueue(): Queue<Request, Answer> {
    const gatherer = new Gatherer<Request, Answer>(requests => this.#inTurn(requests), {
      ...this.#options,
      maxInFlight: 1,
      // all of them wait for the same row: alone none would have it sooner
      isDivisible: error => !isLockTimeout(error) && this.#options.isDivisible(error),
    })
    return { gatherer, length: 0 }
  }

  async #inTurn(requests: readonly Request[]): Promise<readonly Answer[]> {
    const since = performance.now()
    return await this.#turns(() => {
      if (performance.now() - since < MAX_WAIT_MS) return this.#waiting(requests)
      throw new DatabaseTrouble(
        'database_timeout',
        'unchanged',
        'others kept the session for too long, and too many wait for such',
      )
    })
  }
}
