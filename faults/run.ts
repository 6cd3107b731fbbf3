// `npm run faults`: breaks things around the service while clients lock, and judges what they were told.
import { writeFile } from 'node:fs/promises'
import { Cleanup } from '../bench/cleanup.ts'
import { runCampaign } from './campaign.ts'
import { type Options, readOptions, USAGE, UsageError } from './options.ts'
import { problemsOf, reportOf } from './report.ts'

const INTERRUPTED = 130

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
  const say = (line: string) => process.stderr.write(`${line}\n`)
  const result = await runCampaign(options, cleanup, say, interrupted.signal)
  const report = reportOf(result)
  process.stdout.write(report)
  if (options.out !== undefined) await writeFile(options.out, report)
  return problemsOf(result).length === 0 ? 0 : 1
}
