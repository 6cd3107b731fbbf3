import type { Case } from './cases.ts'
import { everyWay, randomWay } from './explore.ts'
import { faultsOf } from './judge.ts'
import { Monitor } from './monitor.ts'
import { type Choose, race, type Story } from './race.ts'
import { World } from './world.ts'

/** Races at once. Each has a database and four connections. */
const LANES = { some: 6, many: 16 }

/** More cases than this are many. */
const MANY_CASES = 2000

/** After so many races the dead rows of a lane are cleared away. */
const TIDY_EVERY = 200

/** Violations that are told in full. */
const MOST_TOLD = 10

export interface Survey {
  readonly cases: number
  /** Orders that were run to their end. */
  readonly orders: number
  readonly commits: number
  /** Statements that waited for another at some time. */
  readonly waits: number
  /** Statements that undid themselves, as a set taken in part does. */
  readonly undone: number
  readonly violations: number
  /** The first of them: what was done, in which order, and what is wrong. */
  readonly told: readonly string[]
}

export interface SurveyOptions {
  readonly serverUrl: string
  /** Of each case one order, chosen by these numbers in [0, 1); else every one there is. */
  readonly random?: () => number
  /** SQL that is run in each database first: a guard taken out. */
  readonly change?: string
}

interface Test {
  teardown(task: () => Promise<void> | void): void
}

/** Runs cases, several at once, and judges whatever comes of them. */
export async function survey(t: Test, cases: readonly Case[], options: SurveyOptions): Promise<Survey> {
  const { serverUrl, random, change } = options
  const monitor = await Monitor.open(t, serverUrl)
  const totals = { cases: cases.length, orders: 0, commits: 0, waits: 0, undone: 0, violations: 0 }
  const told: string[] = []
  const left = [...cases]
  const lane = async (): Promise<void> => {
    const world = await World.open(t, serverUrl, change)
    let races = 0
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const { start, operations, wholeCalls } = next
      const run = async (choose: Choose) => {
        const story = await race({ world, monitor, start, operations, choose, wholeCalls })
        count(story)
        races += 1
        if (races % TIDY_EVERY === 0) await world.tidy()
      }
      if (random === undefined) await everyWay(run)
      else await run(randomWay(random))
    }
  }
  const count = (story: Story) => {
    totals.orders += 1
    totals.commits += story.states.length - 1
    totals.waits += story.order.filter(event => event.endsWith('waits')).length
    totals.undone += story.ended.filter(({ error }) => error !== undefined).length
    const faults = faultsOf(story)
    if (faults.length === 0) return
    totals.violations += 1
    if (told.length < MOST_TOLD) told.push(tell(story, faults))
  }
  const lanes = cases.length > MANY_CASES ? LANES.many : LANES.some
  await Promise.all(Array.from({ length: Math.min(lanes, cases.length) }, lane))
  return { ...totals, told }
}

function tell({ start, operations, order }: Story, faults: readonly string[]): string {
  const names = operations.map(({ name }, number) => `${number} = ${name}`)
  return [`start: ${start}`, ...names, order.join('; '), ...faults].join('\n    ')
}
