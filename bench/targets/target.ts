import type { Load } from '../load.ts'
import type { WorkloadName } from '../workloads.ts'

export const TARGET_NAMES = [
  'leasehold',
  'leasehold, group commit off',
  'pgbench',
  'koa',
  'koa, bare rows',
  'etcd',
  'etcd, a lease for each lock',
  'redis',
] as const

export type TargetName = (typeof TARGET_NAMES)[number]

/** A running thing that is measured. */
export interface Target {
  readonly name: TargetName
  /** Name and version of what runs, and anything that a reader has to know. */
  readonly description: string
  /** Processes whose CPU time is counted, with that of their descendants. */
  readonly processes: { readonly service: readonly number[]; readonly database: readonly number[] }
  readonly workloads: readonly WorkloadName[]
  /** Connections at most. */
  readonly maxConnections?: number
  /** Lets clients work, as many as there are connections. `run` is different in each call. */
  load(workload: WorkloadName, connections: number, run: string): Promise<Load>
}

/** Why a target is not measured here, and how it could be. */
export interface Missing {
  readonly missing: string
}
