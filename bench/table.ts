import type { SummaryRow } from './summary.ts'

/** Columns of text, the first `leftAligned` of them to the left; widths follow what is in them. */
export function textTable(rows: readonly (readonly string[])[], leftAligned: number): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  return rows
    .map(row =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return column < leftAligned ? cell.padEnd(width) : cell.padStart(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The results of a run for people. */
export function resultTable(rows: readonly SummaryRow[]): string {
  const head = [
    ['', '', '', '', '', '', '', 'CPU s', 'per 1,000', 'operations', 'leasehold', 'divided by', 'this'],
    [
      'workload',
      'target',
      'operation',
      'conns',
      'ops/s',
      'p50 ms',
      'p99 ms',
      'generator',
      'service',
      'database',
      'ops/s',
      'p50',
      'p99',
    ],
  ]
  return textTable([...head, ...rows.map(cells)], 3)
}

function cells(row: SummaryRow): string[] {
  const { cpuPerThousand: cpu, ratios } = row
  return [
    row.workload,
    row.target,
    row.kind,
    String(row.connections),
    rounded(row.perSecond),
    rounded(row.p50Ms),
    rounded(row.p99Ms),
    rounded(cpu.generator),
    rounded(cpu.service),
    rounded(cpu.database),
    rounded(ratios?.perSecond),
    rounded(ratios?.p50),
    rounded(ratios?.p99),
  ]
}

/** Three digits that count, and no more after the point than help; a dash for what is not known. */
export function rounded(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-'
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  if (value >= 10) return value.toFixed(1)
  return value >= 0.1 ? value.toFixed(2) : value.toFixed(3)
}
