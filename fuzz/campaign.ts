import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { VICTIM } from './cast.ts'
import { type Draft, keepFrom } from './draft.ts'
import { Findings } from './finding.ts'
import { type Health, lookAt } from './health.ts'
import { apiOf, Judge } from './judge.ts'
import { everythingAfter, Line } from './line.ts'
import type { Form } from './malformed.ts'
import { formVerdict } from './malformed-rules.ts'
import { jsonOf } from './rules.ts'
import { bytesOf } from './sending.ts'
import { SlowClients } from './slow-clients.ts'
import { type Stage, setUp, type Tested } from './stage.ts'
import { Tally } from './tally.ts'

export interface CampaignOptions {
  readonly requests: number
  readonly seed: number
  /** Requests under way at once. */
  readonly connections: number
  /** The batch to begin with: batches are made of the seed and their number alone. */
  readonly firstBatch: number
  readonly signal: AbortSignal
  /** Told after each batch. */
  readonly progress: (campaign: Campaign) => void
}

type Kind = 'open' | 'refused' | 'malformed'

/**
 * What comes after what, and how many requests each batch has. A malformed one is never followed by one that must change
 * nothing: what it cut off may still be granted for a moment.
 */
const ROUND: readonly (readonly [kind: Kind, size: number])[] = [
  ['open', 1000],
  ['refused', 500],
  ['refused', 500],
  ['malformed', 150],
]

const END_NOTICED_WITHIN_MS = 1000

/** Looks at the service's health in a run, the first and the last among them. */
const LOOKS = 12

/** A run: batches of requests, and what they came to. */
export class Campaign {
  readonly findings = new Findings()
  readonly tally = new Tally()
  readonly looks: Health[] = []
  readonly batches = { open: 0, refused: 0, malformed: 0 }
  requests = 0
  #victims = ''
  readonly stage: Stage
  readonly #options: CampaignOptions
  readonly #judge: Judge
  readonly #lines: readonly Line[]
  readonly #slow: SlowClients

  private constructor(stage: Stage, options: CampaignOptions) {
    this.stage = stage
    this.#options = options
    this.#judge = new Judge(stage.operations, this.findings, this.tally)
    this.#slow = new SlowClients(stage.service.port, (what, verdict) => {
      this.requests += 1
      this.tally.add('slow', what, 0)
      if (verdict !== undefined) this.findings.add(verdict, what, '')
    })
    this.#lines = Array.from({ length: options.connections }, () => new Line(stage.service.port))
  }

  static async run(service: Tested, options: CampaignOptions): Promise<Campaign> {
    const campaign = new Campaign(await setUp(service), options)
    await campaign.#run()
    return campaign
  }

  async #run(): Promise<void> {
    const { requests, firstBatch, signal, progress } = this.#options
    this.#victims = await this.stage.tables.victims()
    for (let batch = firstBatch; this.requests < requests && !signal.aborted; batch += 1) {
      const [kind, size] = ROUND[batch % ROUND.length] ?? ['open', 1000]
      await this.#batch(kind, Math.min(size, requests - this.requests), batch).catch(unless(signal))
      if (signal.aborted) break
      if (this.requests >= (this.looks.length * requests) / (LOOKS - 1)) await this.#look()
      this.#slow.tend()
      progress(this)
    }
    this.#slow.stop()
    if (!signal.aborted) await this.#look()
    for (const line of this.#lines) line.close()
  }

  async #batch(kind: Kind, size: number, batch: number): Promise<void> {
    this.batches[kind] += 1
    const from = { seed: seedOf(this.#options.seed, batch), numRuns: size }
    const { open, refused, malformed, tables } = this.stage
    if (kind === 'malformed') await Promise.all(fc.sample(malformed, from).map(form => this.#sendForm(form)))
    else if (kind === 'refused') await this.#refused(fc.sample(refused, from), batch)
    else await this.#open(fc.sample(open, from))
    if ((await tables.victims()) === this.#victims) return
    this.findings.add(`a ${kind} request changed what is the victim's`, `batch ${batch}`, '')
    this.#victims = await tables.victims()
  }

  /** Anything may happen, but to the victim. What is left behind is cleared away. */
  async #open(drafts: readonly Draft[]): Promise<void> {
    const { tables, cast, memory } = this.stage
    await this.#together(drafts, (draft, line) => this.#send(draft, line, true))
    await tables.clear()
    memory.forget()
    await cast.signIn()
  }

  /** No row may change: all of them are refused, or change nothing but what tells that somebody signed in. */
  async #refused(drafts: readonly Draft[], batch: number): Promise<void> {
    const { tables } = this.stage
    const before = await tables.print()
    await this.#together(drafts, (draft, line) => this.#send(draft, line, false))
    for (const table of await tables.changedSince(before)) {
      this.findings.add(`requests that are refused changed ${table}`, `batch ${batch}`, '')
    }
  }

  /** Every line takes the next one as soon as it has its answer. */
  async #together<Item>(
    items: readonly Item[],
    send: (item: Item, line: Line) => Promise<unknown>,
  ): Promise<void> {
    const waiting = items[Symbol.iterator]()
    await Promise.all(
      this.#lines.map(async line => {
        for (const item of waiting) {
          if (this.#options.signal.aborted) return
          await send(item, line)
        }
      }),
    )
  }

  async #send(draft: Draft, line: Line, isKept: boolean): Promise<void> {
    const { cast, memory } = this.stage
    const { who, way } = draft.signed
    // an administrator of everything may do anything to the victim
    const meansVictim = draft.target.includes('VICTIM') || String(draft.body).includes('VICTIM')
    const signed = cast.headersFor({ who: who === 'root' && meansVictim ? 'bob' : who, way })
    const bytes = bytesOf(draft, signed, memory)
    this.requests += 1
    try {
      const answer = await line.exchange(bytes.parts, draft.method === 'HEAD')
      this.#judge.hear(draft, bytes, answer)
      if (isKept && answer.status < 300)
        keepFrom(memory, apiOf(draft.what), jsonOf(answer), owner => owner !== VICTIM)
    } catch (error) {
      this.#judge.hearNothing(draft, bytes, error)
    }
  }

  async #sendForm(form: Form): Promise<void> {
    this.requests += 1
    const { port } = this.stage.service
    const { received, isClosed } = await everythingAfter(port, form.parts, form.isLastAnswered)
    const verdict = isClosed ? formVerdict(form, received) : `${form.what}: the connection is not closed`
    this.tally.add(
      'malformed',
      form.what,
      Number(/^HTTP\/1\.1 (\d{3})/.exec(received.toString('latin1'))?.[1] ?? 0),
    )
    if (verdict !== undefined) {
      this.findings.add(verdict, Buffer.concat([...form.parts]), received.toString('latin1'))
    }
  }

  async #look(): Promise<void> {
    const { service } = this.stage
    for (const line of this.#lines) line.close()
    this.looks.push(await lookAt(service, service.query, this.requests, () => this.#slow.openCount))
  }
}

/** Throws an error again, unless the run is over meanwhile: a service that has ended answers nothing. */
function unless(signal: AbortSignal): (error: unknown) => Promise<void> {
  return async error => {
    await pause(END_NOTICED_WITHIN_MS)
    if (!signal.aborted) throw error
  }
}

/** Far apart for neighbours: generators of one seed and the next are alike. */
function seedOf(seed: number, batch: number): number {
  return Math.imul(seed ^ Math.imul(batch + 1, 0x9e3779b1), 0x85ebca6b) | 0
}
