import { setTimeout as pause } from 'node:timers/promises'
import { nowUs } from '../history/clock.ts'
import type { Mark } from '../history/operation.ts'
import { DATABASE_FAULTS } from './database-faults.ts'
import { between, type Fault, LANES, type Lane, type Stage } from './fault.ts'
import { HAND_FAULTS } from './hand-faults.ts'
import { NETWORK_FAULTS } from './network-faults.ts'
import { SERVICE_FAULTS } from './service-faults.ts'

export const ALL_FAULTS: readonly Fault[] = [
  ...SERVICE_FAULTS,
  ...DATABASE_FAULTS,
  ...NETWORK_FAULTS,
  ...HAND_FAULTS,
]

/** How many of all faults are of a lane. Those that take the database away cost the most time. */
const SHARES: Readonly<Record<Lane, number>> = { service: 0.2, database: 0.15, network: 0.4, hand: 0.25 }

export interface FaultCount {
  made: number
  /** Its effect was seen. */
  observed: number
  /** The last that was seen. */
  evidence: string
}

/** Breaks things, one fault a lane at a time, and counts what took effect. */
export class Nemesis {
  readonly counts = new Map<string, FaultCount>()
  /** Faults that could not be made or mended. */
  readonly troubles: string[] = []
  readonly #faults: readonly Fault[]
  readonly #perMinute: number

  constructor(faults: readonly Fault[], faultsPerMinute: number) {
    this.#faults = faults
    this.#perMinute = faultsPerMinute
    for (const { kind } of faults) this.counts.set(kind, { made: 0, observed: 0, evidence: '' })
  }

  get observed(): number {
    return [...this.counts.values()].reduce((sum, { observed }) => sum + observed, 0)
  }

  /** Works until it is told to stop, and resolves once everything is mended. */
  async work(stage: Stage, stop: AbortSignal, onMark: (mark: Mark) => void): Promise<void> {
    const over = new Promise<void>(resolve => {
      if (stop.aborted) resolve()
      stop.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.all([over, ...LANES.map(lane => this.#workOn(lane, stage, stop, onMark))])
  }

  async #workOn(lane: Lane, stage: Stage, stop: AbortSignal, onMark: (mark: Mark) => void): Promise<void> {
    const lanes = LANES.filter(one => this.#faults.some(fault => fault.lane === one))
    if (!lanes.includes(lane)) return
    const all = lanes.reduce((sum, one) => sum + SHARES[one], 0)
    const meanMs = (60_000 / this.#perMinute) * (all / SHARES[lane])
    let isFirst = true
    while (!stop.aborted) {
      // from the beginning of one to that of the next; one that takes longer is followed at once
      const next = pause(meanMs * between(stage.random, 0.5, 1.5), undefined, { signal: stop }).catch(
        () => {},
      )
      if (!isFirst) await this.#next(lane, stage, onMark)
      isFirst = false
      await next
    }
  }

  async #next(lane: Lane, stage: Stage, onMark: (mark: Mark) => void): Promise<void> {
    const fault = this.#choose(lane, stage)
    if (fault !== undefined) await this.#make(fault, stage, onMark)
  }

  #choose(lane: Lane, { random, cluster }: Stage): Fault | undefined {
    const possible = this.#faults.filter(
      fault => fault.lane === lane && (fault.needsStandby !== true || cluster.standby !== undefined),
    )
    let at = random() * possible.reduce((sum, { weight }) => sum + weight, 0)
    return possible.find(({ weight }) => {
      at -= weight
      return at < 0
    })
  }

  async #make(fault: Fault, stage: Stage, onMark: (mark: Mark) => void): Promise<void> {
    const count = this.counts.get(fault.kind)
    if (count === undefined) return
    const fromUs = nowUs()
    count.made += 1
    try {
      const evidence = await fault.run(stage)
      if (evidence !== undefined) {
        count.observed += 1
        count.evidence = evidence
      }
    } catch (error) {
      // a DBA meets a server that another fault has taken away; only those who take away have to bring back
      if (fault.lane !== 'hand') throw error
      this.troubles.push(`${fault.kind}: ${error instanceof Error ? error.message : String(error)}`)
    }
    onMark({ mark: 'fault', what: fault.kind, fromUs, toUs: nowUs() })
  }
}
