import { LRUCache } from 'lru-cache'
import { DatabaseTrouble } from '../locks/errors.ts'

/** How long after a request failed for its own sake its like are sent alone, in ms. */
const SUSPECT_FOR_MS = 2000

/** How long a request waits to be sent, in ms: no client should wait for ever for a database that is stuck. */
const MAX_WAIT_MS = 10_000

/**
 * From so many requests under way, the next batch waits for company until one of those has ended: the start of a
 * statement costs as much as several requests in it. Fewer are better served at once, by two statements side by side.
 */
const ENOUGH_UNDER_WAY = 8

/**
 * How long it waits for that at most, in ms. About as long as a batch takes where commits are quick: where they are slow,
 * or where one request waits for a row, those that come later go beside it.
 */
const LATE_AFTER_MS = 3

/** Suspects that are remembered; an entry is a key. */
const MAX_SUSPECTS = 1000

/** How much goes together. */
export interface Batching {
  /**
   * Requests in one batch at most. 1: each is sent alone, at once. Above 64 or so the joins of a statement for many
   * cost more than the shared commit saves.
   */
  readonly maxBatch: number
  /** Batches of one kind under way at most. */
  readonly maxInFlight: number
}

export const DEFAULT_BATCHING: Batching = { maxBatch: 64, maxInFlight: 2 }

export interface GathererOptions<Request> extends Batching {
  /** No two requests of a batch have a key in common. */
  readonly keysOf: (request: Request) => readonly string[]
  /** Whether two requests that have a key in common can go together all the same. */
  readonly canShare?: (key: string, one: Request, other: Request) => boolean
  /** What a request adds to its batch, where that is bounded too. */
  readonly weightOf?: (request: Request) => number
  readonly maxWeight?: number
  /** How long a request waits to be sent, in ms. */
  readonly maxWaitMs?: number
  /** How long the next batch waits for those under way, in ms. */
  readonly lateAfterMs?: number
  /** Whether a failure of a batch undid it, and may be the fault of one of its requests. */
  readonly isDivisible: (error: unknown) => boolean
}

interface Waiting<Request, Answer> {
  readonly request: Request
  readonly keys: readonly string[]
  /** Gives up on it unless it is sent before. */
  timer: NodeJS.Timeout | undefined
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/**
 * Sends requests together that arrive while others are under way, so that many of them share one commit. A lone
 * request is sent at once, and so are a few: nothing waits for company that may never come.
 *
 * A batch that fails for certain is sent again one by one, so that a request which cannot succeed does not fail the
 * others; and what is like it goes alone for a while, so that it does not hold them up again and again.
 */
export class Gatherer<Request, Answer> {
  readonly #send: (requests: readonly Request[]) => Promise<readonly Answer[]>
  readonly #options: GathererOptions<Request>
  readonly #suspects = new LRUCache<string, true>({ max: MAX_SUSPECTS, ttl: SUSPECT_FOR_MS })
  #queue: Waiting<Request, Answer>[] = []
  /** To be sent one by one. They have a place of their own beside the batches, and never take one from them. */
  #alone: Waiting<Request, Answer>[] = []
  #isSendingSoon = false
  #inFlight = 0
  #requestsInFlight = 0
  #aloneInFlight = 0
  /** Runs while the next batch waits for those under way. */
  #lateTimer: NodeJS.Timeout | undefined

  /** `send` answers each request, in order. */
  constructor(
    send: (requests: readonly Request[]) => Promise<readonly Answer[]>,
    options: GathererOptions<Request>,
  ) {
    this.#send = send
    this.#options = options
  }

  add(request: Request): Promise<Answer> {
    if (this.#options.maxBatch === 1) return this.#sendOne(request)
    return new Promise((resolve, reject) => {
      const keys = this.#options.keysOf(request)
      const waiting: Waiting<Request, Answer> = { request, keys, timer: undefined, resolve, reject }
      this.#arm(waiting)
      if (waiting.keys.some(key => this.#suspects.has(key))) this.#alone.push(waiting)
      else this.#queue.push(waiting)
      this.#sendSoon()
    })
  }

  #arm(waiting: Waiting<Request, Answer>): void {
    waiting.timer = setTimeout(() => {
      this.#queue = this.#queue.filter(other => other !== waiting)
      this.#alone = this.#alone.filter(other => other !== waiting)
      waiting.reject(
        new DatabaseTrouble(
          'database_timeout',
          'unchanged',
          'the database did not get to the request in time',
        ),
      )
    }, this.#options.maxWaitMs ?? MAX_WAIT_MS)
  }

  async #sendOne(request: Request): Promise<Answer> {
    const answers = await this.#send([request])
    if (answers.length !== 1) throw new Error('a request got another number of answers')
    // undefined is an answer too: there was no such lock
    return answers[0] as Answer
  }

  /** Once the sockets that are ready now have been read: what came together goes together. */
  #sendSoon(): void {
    if (this.#isSendingSoon) return
    this.#isSendingSoon = true
    setImmediate(() => {
      this.#isSendingSoon = false
      this.#sendMore()
    })
  }

  #sendMore(): void {
    while (this.#mayHaveMoreInFlight() && this.#isWorthABatch()) this.#sendNextBatch()
    if (this.#mayHaveMoreInFlight()) {
      this.#lateTimer ??= setTimeout(() => {
        this.#lateTimer = undefined
        if (this.#mayHaveMoreInFlight()) this.#sendNextBatch()
        this.#sendMore()
      }, this.#options.lateAfterMs ?? LATE_AFTER_MS)
    }
    const next = this.#aloneInFlight === 0 ? this.#alone.shift() : undefined
    if (next === undefined) return
    clearTimeout(next.timer)
    this.#aloneInFlight += 1
    void this.#sendAlone(next).finally(() => {
      this.#aloneInFlight -= 1
      this.#sendMore()
    })
  }

  #mayHaveMoreInFlight(): boolean {
    return this.#queue.length > 0 && this.#inFlight < this.#options.maxInFlight
  }

  #isWorthABatch(): boolean {
    return this.#requestsInFlight < ENOUGH_UNDER_WAY || this.#queue.length >= this.#options.maxBatch
  }

  #sendNextBatch(): void {
    clearTimeout(this.#lateTimer)
    this.#lateTimer = undefined
    const batch = this.#takeBatch()
    this.#inFlight += 1
    this.#requestsInFlight += batch.length
    void this.#sendBatch(batch).finally(() => {
      this.#inFlight -= 1
      this.#requestsInFlight -= batch.length
      this.#sendMore()
    })
  }

  async #sendBatch(batch: readonly Waiting<Request, Answer>[]): Promise<void> {
    try {
      const answers = await this.#send(batch.map(({ request }) => request))
      if (answers.length !== batch.length) throw new Error('a batch got another number of answers')
      batch.forEach(({ resolve }, index) => {
        resolve(answers[index] as Answer)
      })
    } catch (error) {
      if (batch.length > 1 && this.#options.isDivisible(error)) {
        for (const waiting of batch) this.#arm(waiting)
        this.#alone.push(...batch)
      } else for (const { reject } of batch) reject(error)
    }
  }

  async #sendAlone(waiting: Waiting<Request, Answer>): Promise<void> {
    try {
      waiting.resolve(await this.#sendOne(waiting.request))
    } catch (error) {
      if (this.#options.isDivisible(error)) for (const key of waiting.keys) this.#suspects.set(key, true)
      waiting.reject(error)
    }
  }

  /** As many as fit, in the order of their arrival; what does not fit stays for the next batch. */
  #takeBatch(): readonly Waiting<Request, Answer>[] {
    const { maxBatch, canShare, weightOf, maxWeight = Number.POSITIVE_INFINITY } = this.#options
    const batch: Waiting<Request, Answer>[] = []
    const left: Waiting<Request, Answer>[] = []
    const taken = new Map<string, Request>()
    let weight = 0
    for (const waiting of this.#queue) {
      const { request, keys } = waiting
      const heavier = weight + (weightOf?.(request) ?? 1)
      const fits =
        batch.length === 0 ||
        (batch.length < maxBatch &&
          heavier <= maxWeight &&
          keys.every(key => {
            const other = taken.get(key)
            return other === undefined || canShare?.(key, request, other) === true
          }))
      if (!fits) {
        left.push(waiting)
        continue
      }
      clearTimeout(waiting.timer)
      batch.push(waiting)
      weight = heavier
      for (const key of keys) if (!taken.has(key)) taken.set(key, request)
    }
    this.#queue = left
    return batch
  }
}
