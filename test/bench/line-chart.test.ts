import t from 'tap'
import { lineChart, ticksOf } from '../../bench/line-chart.ts'

t.test('ticks are round numbers that enclose the values', async t => {
  const lines = [{ name: 'a', values: [3, 1234, undefined] }]
  t.same(ticksOf({ scale: 'linear', lines }), [0, 500, 1000, 1500])
  t.same(ticksOf({ scale: 'logarithmic', lines }), [1, 10, 100, 1000, 10_000])
})

t.test('a chart of no values is one', async t => {
  const panel = {
    title: 'x',
    categories: ['1'],
    categoryTitle: 'n',
    lines: [{ name: 'a', values: [undefined] }],
  }
  for (const scale of ['linear', 'logarithmic'] as const) {
    t.notMatch(lineChart([{ ...panel, scale }], ''), /NaN|Infinity/)
  }
})

t.test('text is escaped, a line is drawn through the values that are there', async t => {
  const svg = lineChart(
    [
      {
        title: 'a < b & c',
        scale: 'linear',
        categories: ['1', '2', '3'],
        categoryTitle: 'n',
        lines: [{ name: 'a', values: [1, undefined, 2] }],
      },
    ],
    'caption',
  )
  t.match(svg, 'a &lt; b &amp; c')
  t.equal(svg.match(/<circle/g)?.length, 2)
})
