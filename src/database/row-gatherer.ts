import pLimit from 'p-limit'
import { DatabaseTrouble } from '../locks/errors.ts'
import { Gatherer, type GathererOptions } from './gatherer.ts'

/** Statements that wait for rows, at a time: the others of the pool are for those that need not wait. */
const MAX_WAITING = 3

/** Statements that wait for a turn to wait. Each may take as long as a statement waits for a row: half a second. */
const MAX_WAITING_FOR_TURN = 50

/** Not done, since another statement has the row of that session; nothing was changed. */
export class Busy {
  readonly sessionId: string

  constructor(sessionId: string) {
    this.sessionId = sessionId
  }
}

export interface RowSenders<Request, Answer> {
  /** For many requests, this waits for no session's row; what is `Busy` is sent again by `waiting`. */
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
 * Those who wait for the same session wait together, in one statement after the other.
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
    const answer = await this.#atOnce.add(request)
    return answer instanceof Busy ? await this.#wait(answer.sessionId, request) : answer
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
    })
    return { gatherer, length: 0 }
  }

  async #inTurn(requests: readonly Request[]): Promise<readonly Answer[]> {
    if (this.#turns.pendingCount >= MAX_WAITING_FOR_TURN) {
      throw new DatabaseTrouble(
        'database_timeout',
        'unchanged',
        'too many requests wait for sessions that others keep',
      )
    }
    return await this.#turns(() => this.#waiting(requests))
  }
}
