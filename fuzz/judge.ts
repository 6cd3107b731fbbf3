import type { Answer } from './answer.ts'
import type { Draft } from './draft.ts'
import type { Findings } from './finding.ts'
import { Closed } from './line.ts'
import { NativeRules, problemVerdict } from './native-rules.ts'
import type { Operation } from './operations.ts'
import { generalVerdict, isContended, type Sent } from './rules.ts'
import type { Bytes } from './sending.ts'
import type { Tally } from './tally.ts'
import { WireRules } from './wire-rules.ts'

/** A head of more than this may be refused as too large; of more than the second, it has to be. */
const LARGE_HEAD = { may: 16_000, must: 16 * 1024 }

/** Signs that no target has. */
const PAST_ASCII = /[\x7f-\xff]/

/** Judges answers, and keeps what is wrong. */
export class Judge {
  readonly #findings: Findings
  readonly #tally: Tally
  readonly #native: NativeRules
  readonly #wire = new WireRules()

  constructor(operations: readonly Operation[], findings: Findings, tally: Tally) {
    this.#native = new NativeRules(operations)
    this.#findings = findings
    this.#tally = tally
  }

  hear(draft: Draft, bytes: Bytes, answer: Answer): void {
    const sent: Sent = { what: draft.what, method: draft.method, ...bytes }
    this.#tally.add(apiOf(draft.what), draft.what, answer.status)
    if (isContended(answer, draft.method)) this.#tally.contended += 1
    const verdict = this.#verdictOf(sent, bytes.headLength, answer)
    if (verdict !== undefined) this.#findings.add(verdict, Buffer.concat([...bytes.parts]), answer)
  }

  /** No answer came. */
  hearNothing(draft: Draft, bytes: Bytes, error: unknown): void {
    this.#tally.add(apiOf(draft.what), draft.what, 0)
    const isClosed = error instanceof Closed
    // a parser that refuses a head does not wait for the rest: what is sent meanwhile resets the connection
    const isHead = PAST_ASCII.test(bytes.target) || bytes.headLength > LARGE_HEAD.may
    if (isClosed && isHead && bytes.parts.length > 1) return
    const what = isClosed ? 'the connection was closed without an answer' : String(error)
    this.#findings.add(`${draft.what}: ${what}`, Buffer.concat([...bytes.parts]), String(error))
  }

  #verdictOf(sent: Sent, headLength: number, answer: Answer): string | undefined {
    if (answer.status === 431)
      return headLength > LARGE_HEAD.may ? undefined : `${sent.what}: 431 for a small head`
    // refused by the parser, which knows of no API, and comes to the end of a target before that of a head
    const isUnreadable = answer.status === 400 && PAST_ASCII.test(sent.target)
    if (headLength > LARGE_HEAD.must && !isUnreadable)
      return `${sent.what}: ${answer.status} for a head that is too large`
    const general = generalVerdict(sent, answer)
    if (general !== undefined) return general
    if (isUnreadable) return problemVerdict(sent, answer)
    const wire = this.#wire.verdict(sent, answer)
    return wire === undefined ? this.#native.verdict(sent, answer) : wire.verdict
  }
}

/** The API that a request is of: the first part of a route's path, or the native one. */
export function apiOf(what: string): string {
  return /^[A-Z]+ (\/[^/]+)/.exec(what)?.[1]?.toLowerCase() ?? 'native'
}
