// `npm run fuzz`: sends made-up requests to a service of its own, and judges what comes of them.
import { Cleanup } from '../bench/cleanup.ts'
import { fuzz } from './fuzz.ts'
import { type Options, readOptions, USAGE, UsageError } from './options.ts'
import { reportOf } from './report.ts'

const INTERRUPTED = 130
const SAY_EVERY_MS = 10_000

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
    const options = readOptions(process.argv.slice(2))
    if (options.help) process.stdout.write(USAGE)
    else return await run(options)
    return 0
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
  process.stderr.write(`seed ${options.seed}\n`)
  const started = performance.now()
  let saidAt = started
  const { campaign, seconds, troubles } = await fuzz(
    {
      ...options,
      signal: interrupted.signal,
      progress: (requests, findings) => {
        const now = performance.now()
        if (now - saidAt < SAY_EVERY_MS) return
        saidAt = now
        const rate = Math.round((requests * 1000) / (now - started))
        process.stderr.write(`${requests} of ${options.requests}, ${rate} a second, ${findings} findings\n`)
      },
    },
    cleanup,
  )
  process.stdout.write(`seed ${options.seed}\n\n${reportOf(campaign, seconds, troubles)}`)
  if (campaign.findings.count + troubles.length > 0) return 1
  return interrupted.signal.aborted ? INTERRUPTED : 0
}
