import type { CpuResult, Measurement } from './measure.ts'
import type { TargetName } from './targets/target.ts'
import { WORKLOADS, type WorkloadName } from './workloads.ts'

/** Whom the others are compared with. */
const REFERENCE: TargetName = 'leasehold'

/** Medians of all rounds of one target, workload and number of connections. */
export interface SummaryRow {
  readonly workload: WorkloadName
  readonly connections: number
  readonly target: TargetName
  /** The kind of operation: a pair is an acquire and its release. */
  readonly kind: string
  readonly rounds: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU seconds for 1,000 operations of all kinds that are counted; missing where not known. */
  readonly cpuPerThousand: CpuResult
  /** The service's figure divided by this one's in the same round; missing where there is nothing to compare. */
  readonly ratios?: Ratios
}

export interface Ratios {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

export function summarize(measurements: readonly Measurement[]): readonly SummaryRow[] {
  const groups = new Map<string, Measurement[]>()
  for (const measurement of measurements) {
    const { workload, connections, target } = measurement
    const group = JSON.stringify([workload, connections, target])
    groups.set(group, [...(groups.get(group) ?? []), measurement])
  }
  const rows = [...groups.values()].flatMap(group => rowsOf(group, measurements))
  const order = [...new Set(measurements.map(({ workload }) => workload))]
  return rows.toSorted(
    (a, b) =>
      order.indexOf(a.workload) - order.indexOf(b.workload) ||
      a.connections - b.connections ||
      Number(b.target === REFERENCE) - Number(a.target === REFERENCE),
  )
}

/** The middle one, or the mean of the middle two; not a number where there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? Number.NaN
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper
}

function rowsOf(group: readonly Measurement[], all: readonly Measurement[]): SummaryRow[] {
  const [first] = group
  if (first === undefined) return []
  const { workload, connections, target } = first
  return WORKLOADS[workload].kinds.map(kind => {
    const ratios = target === REFERENCE ? undefined : ratiosOf(group, all, kind)
    return {
      workload,
      connections,
      target,
      kind,
      rounds: group.length,
      perSecond: median(group.map(one => one.kinds[kind]?.perSecond ?? 0)),
      p50Ms: median(group.map(one => one.kinds[kind]?.p50Ms ?? Number.NaN)),
      p99Ms: median(group.map(one => one.kinds[kind]?.p99Ms ?? Number.NaN)),
      cpuPerThousand: cpuPerThousand(group),
      ...(ratios === undefined ? {} : { ratios }),
    }
  })
}

/** Of the same round, since the machine may be slower in one than in another. */
function ratiosOf(
  group: readonly Measurement[],
  all: readonly Measurement[],
  kind: string,
): Ratios | undefined {
  const pairs = group.flatMap(one => {
    const reference = all.find(
      other =>
        other.target === REFERENCE &&
        other.round === one.round &&
        other.workload === one.workload &&
        other.connections === one.connections,
    )
    const [ours, theirs] = [reference?.kinds[kind], one.kinds[kind]]
    return ours === undefined || theirs === undefined ? [] : [{ ours, theirs }]
  })
  if (pairs.length === 0) return undefined
  return {
    perSecond: median(pairs.map(({ ours, theirs }) => ours.perSecond / theirs.perSecond)),
    p50: median(pairs.map(({ ours, theirs }) => ours.p50Ms / theirs.p50Ms)),
    p99: median(pairs.map(({ ours, theirs }) => ours.p99Ms / theirs.p99Ms)),
  }
}

function cpuPerThousand(group: readonly Measurement[]): CpuResult {
  const seconds: Record<string, number> = {}
  for (const part of ['generator', 'service', 'database'] as const) {
    const known = group.flatMap(one => {
      const used = one.cpu[part]
      return used === undefined ? [] : [(used / operationsOf(one)) * 1000]
    })
    if (known.length > 0) seconds[part] = median(known)
  }
  return seconds
}

function operationsOf({ workload, kinds }: Measurement): number {
  return WORKLOADS[workload].kinds.reduce((sum, kind) => sum + (kinds[kind]?.count ?? 0), 0)
}
