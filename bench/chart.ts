import { lineChart, type Panel } from './line-chart.ts'
import type { ComparisonResult, GrowthRunResult, RunResult } from './results.ts'

/** The chart of a run's results as SVG. */
export function chartOf(result: RunResult): string {
  const panels = result.kind === 'comparison' ? comparisonPanels(result) : growthPanels(result)
  const { date, cpu, cores } = result.environment
  return lineChart(panels, `${date.slice(0, 10)}, ${cores} x ${cpu}`)
}

/** Acquire and release, every target, over the number of connections. */
function comparisonPanels({ summary }: ComparisonResult): Panel[] {
  const rows = summary.filter(({ workload }) => workload === 'distinct')
  const connections = [...new Set(rows.map(row => row.connections))].sort((a, b) => a - b)
  const targets = [...new Set(rows.map(row => row.target))]
  const panel = (title: string, scale: Panel['scale'], figure: 'perSecond' | 'p99Ms'): Panel => ({
    title,
    scale,
    categories: connections.map(String),
    categoryTitle: 'connections',
    lines: targets.map(target => ({
      name: target,
      values: connections.map(
        count => rows.find(row => row.target === target && row.connections === count)?.[figure],
      ),
    })),
  })
  return [
    panel('acquire and release, pairs a second', 'logarithmic', 'perSecond'),
    panel('acquire and release, p99 in ms', 'logarithmic', 'p99Ms'),
  ]
}

/** How fast each operation is beside the same on small tables. */
function growthPanels({ growth }: GrowthRunResult): Panel[] {
  const sizes = [...new Set(growth.rows.map(row => row.locks))]
  const operations = [...new Set(growth.rows.map(row => row.operation))]
  return [
    {
      title: 'operations a second, divided by those on small tables',
      scale: 'linear',
      categories: sizes.map(size => size.toLocaleString('en-US')),
      categoryTitle: 'locks held',
      lines: operations.map(operation => ({
        name: operation,
        values: sizes.map(
          size =>
            growth.rows.find(row => row.operation === operation && row.locks === size)?.ratios.perSecond,
        ),
      })),
    },
  ]
}
