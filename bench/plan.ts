import type { TargetName } from './targets/target.ts'
import type { WorkloadName } from './workloads.ts'

/** One thing to measure. */
export interface Step {
  readonly round: number
  readonly workload: WorkloadName
  readonly connections: number
  readonly target: TargetName
}

/** What a target can do. */
interface Able {
  readonly name: TargetName
  readonly workloads: readonly WorkloadName[]
  readonly maxConnections?: number
}

/**
 * What is measured, in its order. In each round every target has its turn before the number of connections
 * changes, and another one begins, so that none always comes after the same one.
 */
export function plan(
  targets: readonly Able[],
  workloads: readonly WorkloadName[],
  connections: readonly number[],
  rounds: number,
): readonly Step[] {
  const steps: Step[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const workload of workloads) {
      for (const count of connections) {
        const able = targets.filter(
          target => target.workloads.includes(workload) && count <= (target.maxConnections ?? count),
        )
        for (const target of rotated(able, round - 1)) {
          steps.push({ round, workload, connections: count, target: target.name })
        }
      }
    }
  }
  return steps
}

function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const first = items.length === 0 ? 0 : by % items.length
  return [...items.slice(first), ...items.slice(0, first)]
}
