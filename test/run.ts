// `npm test [paths…]`: gives the tests a PostgreSQL, runs them, and ends with the line `N passed, N failed`. With
// TEST_POOLER=pgbouncer the services in them work through a PgBouncer in transaction mode.
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeFailure } from './support/describe-failure.ts'
import { type Pooler, startPooler } from './support/pooler.ts'
import { readTapResults } from './support/tap-results.ts'
import { runTap } from './support/tap-run.ts'
import { prepareTemplate } from './support/template.ts'
import { compiledTests } from './support/test-files.ts'
import { openTestServer } from './support/test-server.ts'

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)))
const rawFile = join(root, 'build', 'test.tap')
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort())

process.exitCode = await main(process.argv.slice(2))

async function main(paths: readonly string[]): Promise<number> {
  const troubles: string[] = []
  await rm(rawFile, { force: true })
  try {
    await runTests(paths, troubles)
  } catch (error) {
    troubles.push(error instanceof Error ? error.message : String(error))
  }
  return await report(troubles)
}

async function runTests(paths: readonly string[], troubles: string[]): Promise<void> {
  const files = await compiledTests(root, paths)
  if (files.length === 0) return
  const server = await openTestServer()
  try {
    interrupted.signal.throwIfAborted()
    await prepareTemplate(server.url)
    const pooler = await poolerFor(server.url)
    try {
      const environment = {
        TEST_DATABASE_URL: server.url,
        ...(pooler === undefined ? {} : { TEST_POOLER_HOST: pooler.host }),
      }
      const end = await runTap({ root, files, rawFile, environment, signal: interrupted.signal })
      if (end.signal !== null) troubles.push(`tap was ended by ${end.signal}`)
      else if (end.code !== 0) troubles.push(`tap ended with exit code ${end.code}`)
    } finally {
      await pooler?.stop()
    }
  } finally {
    await server.stop()
  }
}

async function poolerFor(serverUrl: string): Promise<Pooler | undefined> {
  const { TEST_POOLER: wanted = '' } = process.env
  if (wanted === '') return undefined
  if (wanted !== 'pgbouncer') throw new Error(`TEST_POOLER has to be pgbouncer, not ${wanted}`)
  return await startPooler(serverUrl)
}

async function report(troubles: readonly string[]): Promise<number> {
  const results = await readTapResults(rawFile)
  const failures = [...results.failures]
  if (interrupted.signal.aborted) failures.push({ name: 'the run was interrupted', diagnostics: null })
  // tap's own bad end says nothing new where tests failed.
  else if (failures.length === 0) for (const name of troubles) failures.push({ name, diagnostics: null })
  const failed = failures.length
  // tap's report ends with an escape sequence and no line break.
  console.log()
  if (failed > 0) console.log('Failed:')
  // On a terminal, tap's report has told the details.
  for (const failure of failures)
    console.log(process.stdout.isTTY ? `- ${failure.name}` : describeFailure(failure))
  const skipped = results.skipped > 0 ? `, ${results.skipped} skipped` : ''
  console.log(`${results.passed} passed, ${failed} failed${skipped}`)
  return failed > 0 || results.passed === 0 ? 1 : 0
}
