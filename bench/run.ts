// `npm run bench`: measures the service beside others, or as its tables grow, or draws a chart of that.
import { writeFile } from 'node:fs/promises'
import { chartOf } from './chart.ts'
import { Cleanup } from './cleanup.ts'
import { compare } from './comparison.ts'
import { comparisonReport } from './comparison-report.ts'
import { measureGrowth } from './growth/growth.ts'
import { growthReport } from './growth/growth-report.ts'
import { type Options, readOptions, USAGE, UsageError } from './options.ts'
import { Progress } from './progress.ts'
import { type RunResult, readResult, writeResult } from './results.ts'

const INTERRUPTED = 130

const args = process.argv.slice(2)
const interrupted = new AbortController()
const cleanup = new Cleanup()
let cleaned = false

process.on('exit', () => {
  if (!cleaned) cleanup.runAtOnce()
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(INTERRUPTED)
    process.stderr.write('\nstopping; once more stops at once\n')
    interrupted.abort()
  })
}

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const options = readOptions(args)
    if (options.help) process.stdout.write(USAGE)
    else if (options.chart !== undefined) await draw(options.chart, options.out)
    else await measure(options)
    return 0
  } catch (error) {
    if (interrupted.signal.aborted) return INTERRUPTED
    process.stderr.write(
      `${error instanceof UsageError ? `${error.message}\n\n${USAGE}` : describe(error)}\n`,
    )
    return error instanceof UsageError ? 2 : 1
  } finally {
    for (const trouble of await cleanup.run()) process.stderr.write(`not cleaned up: ${trouble}\n`)
    cleaned = true
  }
}

async function measure(options: Options): Promise<void> {
  const progress = new Progress()
  const { signal } = interrupted
  const result: RunResult =
    options.growth === undefined
      ? await compare(options, args, cleanup, progress, signal)
      : await measureGrowth(options, options.growth, args, cleanup, progress, signal)
  if (options.out !== undefined) await writeResult(options.out, result)
  process.stdout.write(result.kind === 'comparison' ? comparisonReport(result) : growthReport(result))
}

async function draw(file: string, out: string | undefined): Promise<void> {
  const svg = chartOf(await readResult(file))
  if (out === undefined) process.stdout.write(svg)
  else await writeFile(out, svg)
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
