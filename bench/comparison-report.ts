import type { Environment } from './environment.ts'
import type { ComparisonResult } from './results.ts'
import { resultTable, rounded } from './table.ts'

/** The results of a comparison for people: one table, and what has to be known about it. */
export function comparisonReport({ environment, targets, remarks, summary }: ComparisonResult): string {
  const lines = [
    '',
    resultTable(summary),
    '',
    'Medians of the rounds. A pair is an acquire and its release. "Leasehold divided by this": of the same round;',
    'above 1 is better for ops/s, below 1 for p50 and p99. CPU of etcd and redis stands under service.',
    '',
    ...Object.entries(targets).map(([name, description]) => `${name}: ${description}`),
    ...remarks.map(remark => `NOTE: ${remark}`),
    '',
    ...environmentLines(environment),
    '',
  ]
  return `${lines.join('\n')}\n`
}

export function environmentLines(environment: Environment): string[] {
  const { postgresql, postgresqlSettings = {} } = environment
  const settings = Object.entries(postgresqlSettings).map(([name, value]) => `${name}=${value}`)
  return [
    `${environment.date}  ${environment.command}`,
    `leasehold ${environment.leasehold}, node ${environment.node}, ${environment.kernel}`,
    `${environment.cores} x ${environment.cpu}, ${environment.memoryGiB} GiB; fdatasync of 8 kB ${rounded(environment.fdatasyncMs)} ms`,
    ...(postgresql === undefined ? [] : [`PostgreSQL ${postgresql}: ${settings.join(', ')}`]),
  ]
}
