import { environmentLines } from '../comparison-report.ts'
import type { WindowResult } from '../measure.ts'
import type { GrowthRunResult } from '../results.ts'
import { rounded, textTable } from '../table.ts'
import type { ChurnResult, Figures, GrowthRow, SweepResult, TableStatistics } from './growth-result.ts'

const KIB = 1024

/** The results of growth for people. */
export function growthReport({ environment, remarks, growth }: GrowthRunResult): string {
  const lines = [
    '',
    textTable(
      [
        ['', '', '', 'grown', '', '', 'small', '', '', 'grown', 'divided by', 'small'],
        ['locks held', 'operation', 'kind', ...HEAD, ...HEAD, ...HEAD],
        ...growth.rows.map(growthCells),
      ],
      3,
    ),
    '',
    'Medians of the rounds, p50 and p99 in ms, the ratios of the same round. Small: the same service on tables',
    'with 1,000 locks, on the same server and in turn.',
    '',
    textTable(
      [
        STATISTICS_HEAD,
        ...Object.entries(growth.tables).flatMap(([size, tables]) =>
          tables.map(table => statisticsCells(Number(size).toLocaleString('en-US'), table)),
        ),
      ],
      2,
    ),
    '',
    ...(growth.sweep === undefined ? [] : sweepLines(growth.sweep)),
    ...(growth.churn === undefined ? [] : churnLines(growth.churn)),
    ...remarks.map(remark => `NOTE: ${remark}`),
    ...environmentLines(environment),
    '',
  ]
  return `${lines.join('\n')}\n`
}

const HEAD = ['ops/s', 'p50', 'p99']
const STATISTICS_HEAD = [
  'when',
  'table',
  'live',
  'dead',
  'updates',
  'HOT',
  'autovacuums',
  'table kB',
  'indexes kB',
]

function growthCells({ locks, operation, kind, grown, small, ratios }: GrowthRow): string[] {
  return [locks.toLocaleString('en-US'), operation, kind, ...[grown, small, ratios].flatMap(figureCells)]
}

function figureCells({ perSecond, p50Ms, p99Ms }: Figures): string[] {
  return [rounded(perSecond), rounded(p50Ms), rounded(p99Ms)]
}

function statisticsCells(when: string, table: TableStatistics): string[] {
  const indexBytes = Object.values(table.indexBytes).reduce((sum, bytes) => sum + bytes, 0)
  const hot = table.updates === 0 ? '-' : `${((100 * table.hotUpdates) / table.updates).toFixed(1)} %`
  const whole = (value: number) => Math.round(value).toLocaleString('en-US')
  return [
    when,
    table.table,
    whole(table.liveRows),
    whole(table.deadRows),
    whole(table.updates),
    hot,
    whole(table.autovacuums),
    whole(table.tableBytes / KIB),
    whole(indexBytes / KIB),
  ]
}

function sweepLines({ locks, expiredLocks, seconds, before, during }: SweepResult): string[] {
  const rows = [
    ['', ...HEAD],
    ['before', ...pairCells(before)],
    ['during', ...pairCells(during)],
  ]
  const ratio = (during.kinds.pair?.p99Ms ?? Number.NaN) / (before.kinds.pair?.p99Ms ?? Number.NaN)
  return [
    `Sweep of ${expiredLocks.toLocaleString('en-US')} expired locks of ${locks.toLocaleString('en-US')}: ${rounded(seconds)} s; acquire and release, p99 during divided by before: ${rounded(ratio)}`,
    textTable(rows, 1),
    '',
  ]
}

function churnLines(churn: ChurnResult): string[] {
  const { sessions, touches, pairs, seconds, before, after, tablesBefore, tablesAfter } = churn
  return [
    `Churn: ${touches.toLocaleString('en-US')} touches of ${sessions.toLocaleString('en-US')} sessions and ${pairs.toLocaleString('en-US')} acquires and releases in ${rounded(seconds)} s; acquire and release before and after:`,
    textTable(
      [
        ['', ...HEAD],
        ['before', ...pairCells(before)],
        ['after', ...pairCells(after)],
      ],
      1,
    ),
    '',
    textTable(
      [
        STATISTICS_HEAD,
        ...tablesBefore.map(table => statisticsCells('before', table)),
        ...tablesAfter.map(table => statisticsCells('after', table)),
      ],
      2,
    ),
    '',
  ]
}

function pairCells({ kinds: { pair } }: WindowResult): string[] {
  return pair === undefined ? ['-', '-', '-'] : figureCells(pair)
}
