import type { Environment } from './environment.ts'
import type { ComparisonResult } from './results.ts'
import { median, type SummaryRow } from './summary.ts'
import { resultTable, rounded } from './table.ts'

/** The results of a comparison for people: one table, and what has to be known about it. */
export function comparisonReport(result: ComparisonResult): string {
  const { environment, targets, remarks, summary } = result
  const lines = [
    '',
    resultTable(summary),
    '',
    'Medians of the rounds. A pair is an acquire and its release. "Leasehold divided by this": of the same round;',
    'above 1 is better for ops/s, below 1 for p50 and p99. CPU of etcd and redis stands under service.',
    ...summary
      .filter(({ kind, connections }) => kind === 'refusal' && connections > 1)
      .map(refusal => hotLine(refusal, result)),
    '',
    ...Object.entries(targets).map(([name, description]) => `${name}: ${description}`),
    ...remarks.map(remark => `NOTE: ${remark}`),
    '',
    ...environmentLines(environment),
    '',
  ]
  return `${lines.join('\n')}\n`
}

/** How refusals and grants of a hot resource compare, and whether requests gave up between them. */
function hotLine(refusal: SummaryRow, { summary, measurements }: ComparisonResult): string {
  const { workload, connections, target } = refusal
  const isSame = (other: Pick<SummaryRow, 'workload' | 'connections' | 'target'>) =>
    other.workload === workload && other.connections === connections && other.target === target
  const grant = summary.find(row => isSame(row) && row.kind === 'grant')
  const contended = median(measurements.filter(isSame).map(({ kinds }) => kinds.contended?.perSecond ?? 0))
  const more = rounded(refusal.perSecond / (grant?.perSecond ?? Number.NaN))
  const faster = rounded((grant?.p50Ms ?? Number.NaN) / refusal.p50Ms)
  return `${workload}, ${connections} connections: ${more} x as many refusals as grants, ${faster} x as fast (p50); contended (503): ${rounded(contended)} a second`
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
