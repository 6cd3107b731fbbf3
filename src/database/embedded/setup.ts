import { type Binaries, findBinaries } from './binaries.ts'
import { checkCluster, hasCluster, makeCluster } from './cluster.ts'
import { type DataFolder, openDataFolder, readOrMakePassword } from './data-folder.ts'
import { EmbeddedPostgresError } from './embedded-error.ts'
import { chooseLauncher, type Launcher } from './launcher.ts'
import { runProgram } from './program.ts'

/** Tells what happens, for the log. */
export type OnEvent = (event: { event: string; [k: string]: unknown }) => void

/** Where a server, its data and its user are: everything that does not change while we use it. */
export interface Setup {
  readonly folder: DataFolder
  readonly binaries: Binaries
  readonly launcher: Launcher
  readonly password: string
  readonly settings: Readonly<Record<string, string>>
  readonly onEvent: OnEvent
}

/** Finds the binaries and the user that they run as; makes the data folder and the cluster in it if need be. */
export async function setUp(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
  onEvent: OnEvent,
): Promise<Setup> {
  const binaries = await findBinaries()
  const folder = await openDataFolder(dataDir)
  const launcher = await chooseLauncher(binaries, folder.root, folder.cluster)
  const password = await readOrMakePassword(folder)
  if (!hasCluster(folder)) {
    onEvent({ event: 'embedded_postgres_initialising', data_dir: folder.root })
    await makeCluster(folder, binaries, launcher, password)
  }
  await checkCluster(folder, launcher, await majorVersion(binaries))
  return { folder, binaries, launcher, password, settings, onEvent }
}

async function majorVersion(binaries: Binaries): Promise<string> {
  const { stdout } = await runProgram(binaries.postgres, ['--version'], { timeoutMs: 10_000 })
  const major = /\) (\d+)/.exec(stdout)?.[1]
  if (major === undefined)
    throw new EmbeddedPostgresError(`${binaries.postgres} does not say its version: ${stdout}`)
  return major
}
