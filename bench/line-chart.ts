import { rounded } from './table.ts'

/** Lines over categories that stand side by side at equal distances. */
export interface Panel {
  readonly title: string
  readonly scale: 'linear' | 'logarithmic'
  readonly categories: readonly string[]
  readonly categoryTitle: string
  readonly lines: readonly Line[]
}

export interface Line {
  readonly name: string
  /** One a category; undefined where there is none. */
  readonly values: readonly (number | undefined)[]
}

/** Told apart also by those who see no red or no green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#999999']
const PANEL = { width: 440, height: 300, left: 60, right: 16, top: 40, bottom: 52 }
const LEGEND_LINE = 20
const STEPS = [1, 2, 5, 10]
const TICKS = 5

/** Panels beside each other with one legend, as a whole SVG document. */
export function lineChart(panels: readonly Panel[], caption: string): string {
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))]
  const colours = new Map(names.map((name, index) => [name, COLOURS[index % COLOURS.length] ?? '#000000']))
  const width = panels.length * PANEL.width
  const height = PANEL.height + (names.length + 1) * LEGEND_LINE + 8
  const legend = names.map((name, index) => {
    const y = PANEL.height + (index + 1) * LEGEND_LINE
    const colour = colours.get(name)
    return `<line x1="${PANEL.left}" y1="${y - 4}" x2="${PANEL.left + 24}" y2="${y - 4}" stroke="${colour}" stroke-width="3"/>${text(PANEL.left + 32, y, name)}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#222222">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...panels.map(
      (panel, index) => `<g transform="translate(${index * PANEL.width} 0)">${panelSvg(panel, colours)}</g>`,
    ),
    ...legend,
    text(width - PANEL.right, height - 10, caption, 'end'),
    '</svg>',
    '',
  ].join('\n')
}

function panelSvg(panel: Panel, colours: ReadonlyMap<string, string>): string {
  const { categories } = panel
  const ticks = ticksOf(panel)
  const [lowest = 0] = ticks
  const highest = ticks.at(-1) ?? 1
  const place = panel.scale === 'linear' ? (value: number) => value : (value: number) => Math.log(value)
  const bottom = PANEL.height - PANEL.bottom
  const right = PANEL.width - PANEL.right
  const x = (index: number) => PANEL.left + ((index + 0.5) * (right - PANEL.left)) / categories.length
  const y = (value: number) =>
    bottom - ((place(value) - place(lowest)) / (place(highest) - place(lowest))) * (bottom - PANEL.top)
  const grid = ticks.map(
    tick =>
      `<line x1="${PANEL.left}" y1="${fixed(y(tick))}" x2="${right}" y2="${fixed(y(tick))}" stroke="#dddddd"/>${text(PANEL.left - 6, y(tick) + 4, tickLabel(tick), 'end')}`,
  )
  const labels = categories.map((category, index) => text(x(index), bottom + 18, category, 'middle'))
  const lines = panel.lines.map(({ name, values }) => {
    const points = values.flatMap((value, index) =>
      value === undefined || !Number.isFinite(value) ? [] : [[fixed(x(index)), fixed(y(value))] as const],
    )
    const colour = colours.get(name) ?? '#000000'
    const path = points.map(point => point.join(',')).join(' ')
    const dots = points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`)
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}`
  })
  return [
    text(PANEL.left, 22, panel.title, 'start', 'font-size="14" font-weight="bold"'),
    ...grid,
    ...labels,
    text((PANEL.left + right) / 2, bottom + 38, panel.categoryTitle, 'middle'),
    ...lines,
  ].join('\n')
}

/** Round numbers that enclose all values: from 0 in even steps, or powers of ten. */
export function ticksOf({ lines, scale }: Pick<Panel, 'lines' | 'scale'>): readonly number[] {
  const values = lines
    .flatMap(line => line.values)
    .filter((value): value is number => value !== undefined && Number.isFinite(value))
  const largest = values.length === 0 ? 1 : Math.max(...values, Number.MIN_VALUE)
  if (scale === 'logarithmic') {
    const positive = values.filter(value => value > 0)
    const first = Math.floor(Math.log10(Math.min(...positive, largest)))
    const last = Math.max(Math.ceil(Math.log10(largest)), first + 1)
    return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
  }
  const power = 10 ** Math.floor(Math.log10(largest / TICKS))
  const step = power * (STEPS.find(candidate => candidate * power * TICKS >= largest) ?? 10)
  return Array.from({ length: Math.ceil(largest / step) + 1 }, (_, index) => index * step)
}

function tickLabel(tick: number): string {
  return tick < 100 ? String(Number(tick.toPrecision(3))) : rounded(tick)
}

function text(x: number, y: number, content: string, anchor = 'start', more = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" ${more}>${escaped}</text>`
}

function fixed(value: number): string {
  return value.toFixed(1)
}
