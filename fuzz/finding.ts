import type { Answer } from './answer.ts'

/** Something that must not be. */
export interface Finding {
  /** What is wrong, in words that are the same for the same fault: findings are counted by them. */
  readonly what: string
  readonly request: string
  readonly answer: string
}

/** Examples kept of each, and kinds that are told apart. */
const EXAMPLES = 3
const KINDS = 200
const SHOWN_BYTES = 1500

export class Findings {
  readonly #counts = new Map<string, number>()
  readonly #examples: Finding[] = []

  get count(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
  }

  get all(): readonly (readonly [what: string, count: number, examples: readonly Finding[]])[] {
    return [...this.#counts].map(([what, count]) => [
      what,
      count,
      this.#examples.filter(example => example.what === what),
    ])
  }

  add(named: string, request: string | Buffer, answer: Answer | string): void {
    const what = this.#counts.has(named) || this.#counts.size < KINDS ? named : 'something else'
    const count = (this.#counts.get(what) ?? 0) + 1
    this.#counts.set(what, count)
    if (count > EXAMPLES) return
    this.#examples.push({ what, request: shown(request), answer: shown(textOf(answer)) })
  }
}

function textOf(answer: Answer | string): string {
  if (typeof answer === 'string') return answer
  const head = [...answer.headers].map(([name, value]) => `${name}: ${value}\n`).join('')
  return `${answer.status}\n${head}\n${answer.body.toString('utf8', 0, SHOWN_BYTES)}`
}

function shown(text: string | Buffer): string {
  const all = typeof text === 'string' ? text : text.toString('latin1')
  return all.length > SHOWN_BYTES ? `${all.slice(0, SHOWN_BYTES)}... (${all.length} bytes)` : all
}
