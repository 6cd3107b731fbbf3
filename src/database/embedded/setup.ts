import { type Binaries, findBinaries } from './binaries.ts'
import { checkCluster, hasCluster, makeCluster } from './cluster.ts'
import { type DataFolder, makePassword, openDataFolder, readPassword } from './data-folder.ts'
import { EmbeddedPostgresError } from './embedded-error.ts'
import { chooseLauncher, type Launcher } from './launcher.ts'

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
  // Asked before the password is read: who makes both at this moment makes the password first.
  const old = await hasCluster(folder)
  const password = old ? await readPassword(folder) : await makePassword(folder)
  if (!old) {
    onEvent({ event: 'embedded_postgres_initialising', data_dir: folder.root })
    await makeCluster(folder, binaries, launcher, password)
  }
  await checkCluster(folder, launcher, majorOf(launcher.version))
  return { folder, binaries, launcher, password, settings, onEvent }
}

function majorOf(version: string): string {
  const major = /\) (\d+)/.exec(version)?.[1]
  if (major === undefined)
    throw new EmbeddedPostgresError(`The embedded PostgreSQL gives no version but: ${version}`)
  return major
}
