// `npm run faults`: breaks things around the service while clients lock, and judges what they were told.
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Cleanup } from '../bench/cleanup.ts'
import { firstLineOf } from '../bench/program.ts'
import { runCampaign } from './campaign.ts'
import { checkHistory } from './check/check-history.ts'
import { type ControlResult, controlsNamed, controlsReport, runControl } from './controls/run-controls.ts'
import { fileCase } from './evidence/case-file.ts'
import { readHistory } from './history/history-file.ts'
import { type Options, readOptions, USAGE, UsageError } from './options.ts'
import { problemsOf, reportOf } from './report.ts'

const INTERRUPTED = 130
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

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
// sockets that a fault left half open keep nobody waiting
process.exit()

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2))
    if (options.help) {
      process.stdout.write(USAGE)
      return 0
    }
    return await run(options)
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : `${text}\n`)
    return error instanceof UsageError ? 2 : 1
  } finally {
    for (const trouble of await cleanup.run()) process.stderr.write(`not cleaned up: ${trouble}\n`)
    cleaned = true
  }
}

async function run(options: Options): Promise<number> {
  if (process.platform !== 'linux')
    throw new UsageError('fault runs need Linux: they stop and look at processes by /proc')
  const say = (line: string) => process.stderr.write(`${line}\n`)
  if (options.check !== undefined) return judgeFile(options.check)
  if (options.control !== undefined) return runControls(options, options.control, say)
  const result = await runCampaign(options, undefined, cleanup, say, interrupted.signal)
  for (const { file, violations } of result.badRounds)
    process.stdout.write(`${await fileCase(file, violations)}\n\n`)
  const report = reportOf(result, await madeBy())
  process.stdout.write(report)
  if (options.out !== undefined) await writeFile(options.out, report)
  return problemsOf(result).length === 0 ? 0 : 1
}

/** `npm run faults -- --minutes 3`: 503c012, Node v20.20.2, 2 cores */
async function madeBy(): Promise<string> {
  const commit = (await firstLineOf('git', ['-C', ROOT, 'describe', '--always', '--dirty'])) ?? 'not known'
  const command = ['npm run faults --', ...process.argv.slice(2)].join(' ')
  return `\`${command}\`: commit ${commit}, Node ${process.version}, ${availableParallelism()} cores.`
}

async function judgeFile(path: string): Promise<number> {
  const { violations, counts } = checkHistory(await readHistory(path))
  process.stdout.write(
    `${counts.operations} operations, ${counts.grants} grants: ${violations.length} violations\n`,
  )
  for (const { rule, key, what } of violations.slice(0, 20))
    process.stdout.write(`  ${rule}: k${key}: ${what}\n`)
  if (violations.length > 0) process.stdout.write(`${await fileCase(path, violations)}\n`)
  return violations.length === 0 ? 0 : 1
}

async function runControls(options: Options, name: string, say: (line: string) => void): Promise<number> {
  const results: ControlResult[] = []
  for (const control of controlsNamed(name)) {
    if (interrupted.signal.aborted) break
    const own = new Cleanup()
    cleanup.add(
      control.name,
      () => own.run(),
      () => own.runAtOnce(),
    )
    results.push(await runControl(control, options, own, say, interrupted.signal))
    for (const trouble of await own.run()) say(`not cleaned up: ${trouble}`)
  }
  const report = controlsReport(results)
  process.stdout.write(report)
  if (options.out !== undefined) await writeFile(options.out, report)
  return results.every(({ isCaught }) => isCaught) ? 0 : 1
}
