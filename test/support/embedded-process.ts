// A service as far as the embedded database is concerned: starts it in the folder of argv[2], tells each event as a
// line of JSON, stops it on SIGTERM, and leaves it to Node to end the process.
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.ts'

const tell = (event: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(event)}\n`)

const [, , dataDir = ''] = process.argv
try {
  const embedded = await EmbeddedPostgres.start({ dataDir, onEvent: tell })
  // A listener for signals does not keep a process alive; a service has its listening socket for that.
  const alive = setInterval(() => {}, 1_000_000)
  process.once('SIGTERM', () => {
    clearInterval(alive)
    embedded.stop().catch((error: unknown) => tell({ event: 'not_stopped', message: String(error) }))
  })
  tell({ event: 'started', url: embedded.url, version: embedded.version, role: embedded.role })
} catch (error) {
  tell({ event: 'refused', message: error instanceof Error ? error.message : String(error) })
}
