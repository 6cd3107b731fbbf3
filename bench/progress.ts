import type { Measurement } from './measure.ts'
import { rounded } from './table.ts'
import { WORKLOADS } from './workloads.ts'

/** What a person sees meanwhile, on standard error: standard output is for the results. */
export class Progress {
  readonly #remarks: string[] = []
  readonly #started = performance.now()

  /** What a reader of the results has to know. */
  get remarks(): readonly string[] {
    return this.#remarks
  }

  say(line: string): void {
    process.stderr.write(`${line}\n`)
  }

  remark(line: string): void {
    this.#remarks.push(line)
    this.say(`NOTE: ${line}`)
  }

  measured(done: number, all: number, { round, workload, connections, target, kinds }: Measurement): void {
    const figures = WORKLOADS[workload].kinds.map(kind => {
      const result = kinds[kind]
      return `${kind}: ${rounded(result?.perSecond)}/s, p50 ${rounded(result?.p50Ms)} ms, p99 ${rounded(result?.p99Ms)} ms`
    })
    const minutesLeft = (((performance.now() - this.#started) / done) * (all - done)) / 60_000
    this.say(
      `${done}/${all}, ${minutesLeft.toFixed(1)} min left: round ${round}, ${workload}, ${connections} connections, ${target}: ${figures.join('; ')}`,
    )
  }
}
