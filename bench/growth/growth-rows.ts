import type { KindResult, WindowResult } from '../measure.ts'
import { median } from '../summary.ts'
import type { Figures, GrowthRow, OperationName } from './growth-result.ts'

/** One operation in one round, on both tables. */
export interface GrowthMeasurement {
  readonly operation: OperationName
  readonly small: WindowResult
  readonly grown: WindowResult
}

/** Medians of the rounds at one size. */
export function growthRows(locks: number, measurements: readonly GrowthMeasurement[]): GrowthRow[] {
  const rows: GrowthRow[] = []
  for (const operation of new Set(measurements.map(one => one.operation))) {
    const rounds = measurements.filter(one => one.operation === operation)
    for (const kind of Object.keys(rounds[0]?.grown.kinds ?? {})) {
      const pairs = rounds.flatMap(({ grown, small }) => {
        const [ours, theirs] = [grown.kinds[kind], small.kinds[kind]]
        return ours === undefined || theirs === undefined ? [] : [{ ours, theirs }]
      })
      rows.push({
        locks,
        operation,
        kind,
        grown: medians(pairs.map(({ ours }) => ours)),
        small: medians(pairs.map(({ theirs }) => theirs)),
        ratios: medians(pairs.map(({ ours, theirs }) => quotient(ours, theirs))),
      })
    }
  }
  return rows
}

function medians(results: readonly Figures[]): Figures {
  return {
    perSecond: median(results.map(({ perSecond }) => perSecond)),
    p50Ms: median(results.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(results.map(({ p99Ms }) => p99Ms)),
  }
}

function quotient(ours: KindResult, theirs: KindResult): Figures {
  return {
    perSecond: ours.perSecond / theirs.perSecond,
    p50Ms: ours.p50Ms / theirs.p50Ms,
    p99Ms: ours.p99Ms / theirs.p99Ms,
  }
}
