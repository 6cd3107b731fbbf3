import type { Violation } from '../check/violation.ts'
import type { History } from '../history/history-file.ts'
import type { Mark, Operation } from '../history/operation.ts'
import { historyText, operationText } from './operation-text.ts'

const WIDTH = 1500
const LEFT = 90
const ROW = 26
const COLOURS: Readonly<Record<Operation['outcome'], string>> = {
  ok: '#2e7d32',
  refused: '#1565c0',
  unchanged: '#9e9e9e',
  unknown: '#ef6c00',
}

/** A page that shows a piece of a history: a row a client, a bar an operation, faults behind them. */
export function timelinePage({ header, operations, marks }: History, violation: Violation): string {
  const fromUs = Math.min(...operations.map(({ sentUs }) => sentUs))
  const toUs = Math.max(...operations.map(({ sentUs, answeredUs }) => answeredUs ?? sentUs)) + 1
  const x = (us: number) =>
    LEFT + ((Math.min(Math.max(us, fromUs), toUs) - fromUs) / (toUs - fromUs)) * (WIDTH - LEFT - 10)
  const clients = [...new Set(operations.map(({ client }) => client))].sort((a, b) => a - b)
  const height = (clients.length + 2) * ROW
  const faults = marks.filter(mark => mark.toUs >= fromUs && mark.fromUs <= toUs)
  const rows = clients.map((client, row) => `<text x="4" y="${(row + 2) * ROW - 8}">client ${client}</text>`)
  const bars = operations.map(operation =>
    barOf(operation, x, (clients.indexOf(operation.client) + 1) * ROW, violation),
  )
  const title = `seed ${header.seed}, round ${header.round}: ${violation.rule} on k${violation.key}`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>
body { font: 14px/1.4 sans-serif; margin: 1em }
svg { font: 11px sans-serif; border: 1px solid #ccc }
pre { overflow-x: auto }
</style>
<h1>${escaped(title)}</h1>
<p>${escaped(violation.what)}</p>
<p>${((toUs - fromUs) / 1000).toFixed(1)} ms; green: done, blue: refused, grey: not done, orange: unknown, red frame: shows the violation; pink: faults</p>
<svg width="${WIDTH}" height="${height}">
${faults.map(mark => faultOf(mark, x, height)).join('\n')}
${rows.join('\n')}
${bars.join('\n')}
</svg>
<pre>${escaped(historyText(operations))}</pre>
</html>
`
}

function barOf(operation: Operation, x: (us: number) => number, y: number, violation: Violation): string {
  const from = x(operation.sentUs)
  const to = x(operation.answeredUs ?? Number.POSITIVE_INFINITY)
  const isGuilty = violation.operations.includes(operation.number)
  const frame = isGuilty ? ' stroke="red" stroke-width="2"' : ''
  const width = Math.max(to - from, 3).toFixed(1)
  const text = escaped(operationText(operation))
  const bar = `<rect x="${from.toFixed(1)}" y="${y + 4}" width="${width}" height="${ROW - 8}" fill="${COLOURS[operation.outcome]}"${frame}/>`
  return `<g><title>${text}</title>${bar}<text x="${(from + 2).toFixed(1)}" y="${y + 3}">${escaped(operation.kind)}</text></g>`
}

function faultOf({ fromUs, toUs, what }: Mark, x: (us: number) => number, height: number): string {
  const from = x(fromUs)
  const width = Math.max(x(toUs) - from, 1).toFixed(1)
  return `<g><title>${escaped(what)}</title><rect x="${from.toFixed(1)}" y="0" width="${width}" height="${height}" fill="#f8bbd0" opacity="0.4"/><text x="${from.toFixed(1)}" y="12">${escaped(what)}</text></g>`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
