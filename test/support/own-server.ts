import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { EmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.ts'

export interface OwnServer {
  readonly dataDir: string
  readonly postgres: EmbeddedPostgres
  /** The pid of the postmaster that runs now. */
  pid(): Promise<number>
}

/** A folder that the account of the embedded PostgreSQL can reach. Removed when the test ends. */
export async function dataFolder(t: { teardown(task: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'leasehold-test-'))
  await chmod(folder, 0o755)
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}

/** A PostgreSQL that a test may kill and stop without harm to others. */
export async function ownServer(
  t: { teardown(task: () => Promise<void>): void },
  settings: Readonly<Record<string, string>> = {},
): Promise<OwnServer> {
  const dataDir = await dataFolder(t)
  const postgres = await EmbeddedPostgres.start({ dataDir, settings })
  t.teardown(() => postgres.stop())
  return { dataDir, postgres, pid: () => postmasterPid(dataDir) }
}

/** The first line of postmaster.pid. */
export async function postmasterPid(dataDir: string): Promise<number> {
  const text = await readFile(path.join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')
  return Number(text.split('\n')[0])
}
