// `npm test [paths…]`: gives the tests a PostgreSQL, runs them, and ends with the line `N passed, N failed`.
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EmbeddedPostgres } from '../src/database/embedded/embedded-postgres.ts'
import { describeFailure } from './support/describe-failure.ts'
import { readTapResults } from './support/tap-results.ts'
import { runTap } from './support/tap-run.ts'
import { prepareTemplate } from './support/template.ts'
import { compiledTests } from './support/test-files.ts'

interface TestServer {
  readonly url: string
  stop(): Promise<void>
}

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
  const server = await openServer()
  try {
    interrupted.signal.throwIfAborted()
    await prepareTemplate(server.url)
    const environment = { TEST_DATABASE_URL: server.url }
    const end = await runTap({ root, files, rawFile, environment, signal: interrupted.signal })
    if (end.signal !== null) troubles.push(`tap was ended by ${end.signal}`)
    else if (end.code !== 0) troubles.push(`tap ended with exit code ${end.code}`)
  } finally {
    await server.stop()
  }
}

/** The server of TEST_DATABASE_URL, or an embedded one in a folder that goes with it. */
async function openServer(): Promise<TestServer> {
  const given = process.env.TEST_DATABASE_URL
  if (given !== undefined && given !== '') return { url: given, stop: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-test-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    // Under root the server runs as another user, who has to get in.
    await chmod(folder, 0o755)
    const server = await EmbeddedPostgres.start({ dataDir: folder, settings: { max_connections: '300' } })
    return { url: server.url, stop: () => server.stop().finally(remove) }
  } catch (error) {
    await remove()
    throw error
  }
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
