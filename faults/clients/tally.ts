import { KINDS, type Kind, type Operation } from '../history/operation.ts'
import { DEADLINE_MS } from './answers.ts'

/** What the operations of a run came to. */
export class Tally {
  operations = 0
  /** Answered for certain: done or refused. */
  definite = 0
  unchanged = 0
  unknown = 0
  longestMs = 0
  /** Answered too late, or not at all. */
  pastDeadline = 0
  readonly byKind: Record<Kind, number> = Object.fromEntries(KINDS.map(kind => [kind, 0])) as Record<
    Kind,
    number
  >
  readonly byCode = new Map<string, number>()

  count({ kind, outcome, code, sentUs, answeredUs }: Operation): void {
    this.operations += 1
    this.byKind[kind] += 1
    if (outcome === 'unknown') this.unknown += 1
    else if (outcome === 'unchanged') this.unchanged += 1
    else this.definite += 1
    const name = `${outcome}${code === '' ? '' : ` ${code}`}`
    this.byCode.set(name, (this.byCode.get(name) ?? 0) + 1)
    const tookMs = answeredUs === null ? 0 : (answeredUs - sentUs) / 1000
    this.longestMs = Math.max(this.longestMs, tookMs)
    if (tookMs > DEADLINE_MS || code === 'past_deadline') this.pastDeadline += 1
  }
}
