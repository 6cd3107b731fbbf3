import { join } from 'node:path'
import { type Binaries, findBinaries } from '../../src/database/embedded/binaries.ts'
import { chooseLauncher, type Launcher } from '../../src/database/embedded/launcher.ts'

/** The programs of one PostgreSQL, and how they are started on this machine. */
export interface Installation {
  readonly binaries: Binaries
  readonly launcher: Launcher
  /** `18.4` */
  readonly version: string
}

/** The PostgreSQL that comes with the service, or the one that Debian installs for a major version. */
export async function findInstallation(which: 'embedded' | string, folder: string): Promise<Installation> {
  const binaries = which === 'embedded' ? await findBinaries() : debianBinaries(which)
  const launcher = await chooseLauncher(binaries, folder, folder)
  return { binaries, launcher, version: /\) (\S+)/.exec(launcher.version)?.[1] ?? launcher.version }
}

function debianBinaries(major: string): Binaries {
  const home = `/usr/lib/postgresql/${major}`
  const program = (name: string) => join(home, 'bin', name)
  return { home, postgres: program('postgres'), initdb: program('initdb'), pgCtl: program('pg_ctl') }
}
