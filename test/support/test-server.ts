import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.ts'

export interface TestServer {
  readonly url: string
  stop(): Promise<void>
}

/** The server of TEST_DATABASE_URL, or an embedded one in a folder that goes with it. */
export async function openTestServer(): Promise<TestServer> {
  const given = process.env.TEST_DATABASE_URL
  if (given !== undefined && given !== '') return { url: given, stop: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-test-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    // Under root the server runs as another user, who has to get in.
    await chmod(folder, 0o755)
    clearUpAfterDeath(folder)
    const server = await EmbeddedPostgres.start({ dataDir: folder, settings: { max_connections: '300' } })
    return { url: server.url, stop: () => server.stop().finally(remove) }
  } catch (error) {
    await remove()
    throw error
  }
}

/**
 * A run that is killed cannot stop its server, and no later run would look for it. So a shell waits for the end of
 * its input, which is this process's end, however it comes.
 */
function clearUpAfterDeath(folder: string): void {
  if (process.platform === 'win32') return
  const script = `cat > /dev/null
    if [ -f "$1/postgres/postmaster.pid" ]; then
      kill -QUIT "$(head -n 1 "$1/postgres/postmaster.pid")"
      sleep 2
    fi
    rm -rf "$1"`
  const shell = spawn('/bin/sh', ['-c', script, 'sh', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.on('error', () => {})
  shell.unref()
  if (shell.stdin instanceof Socket) shell.stdin.unref()
}
