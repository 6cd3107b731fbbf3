import { rmSync } from 'node:fs'
import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Cleanup } from './cleanup.ts'
import { type DatabaseServer, embeddedServer, givenServer } from './database-server.ts'

const TMPFS = 0x01021994

/** What the targets share. */
export interface TestBed {
  readonly cleanup: Cleanup
  /** Everything that is written goes below it. */
  readonly folder: string
  /** The PostgreSQL that the service and the plain statements use; started when it is first asked for. */
  database(): Promise<DatabaseServer>
  /** Settings of the service that differ from its defaults. */
  readonly serviceSettings: Readonly<Record<string, string>>
  /** Where CPU profiles of the service are written, if anywhere. */
  readonly profileFolder: string | undefined
  /** A remark for whoever reads the results. */
  remark(text: string): void
}

export interface TestBedOptions {
  readonly databaseUrl: string | undefined
  /** Where the folder for files is made; the system's folder for temporary files unless given. */
  readonly parentFolder: string | undefined
  readonly serviceSettings: Readonly<Record<string, string>>
  readonly profileFolder: string | undefined
  /** Connections that the embedded server has to have room for. */
  readonly maxConnections: number
  readonly remark: (text: string) => void
}

export async function makeTestBed(options: TestBedOptions, cleanup: Cleanup): Promise<TestBed> {
  const { databaseUrl, serviceSettings, profileFolder, maxConnections, remark } = options
  const folder = await mkdtemp(join(options.parentFolder ?? (await diskFolder()), 'leasehold-bench-'))
  const removal = { recursive: true, force: true, maxRetries: 5 }
  cleanup.add(
    'its files',
    () => rm(folder, removal),
    () => rmSync(folder, removal),
  )
  // PostgreSQL runs as another user where this process is root
  await chmod(folder, 0o755)
  if (await isInMemory(folder))
    remark('the files are in memory: commits cost nothing, the figures mean little')
  let server: Promise<DatabaseServer> | undefined
  return {
    cleanup,
    folder,
    serviceSettings,
    profileFolder: profileFolder === undefined ? undefined : resolve(profileFolder),
    remark,
    database() {
      server ??=
        databaseUrl === undefined
          ? embeddedServer(join(folder, 'postgres'), maxConnections, cleanup)
          : givenServer(databaseUrl, cleanup)
      return server
    },
  }
}

/** The system's folder for temporary files may be kept in memory, where nothing that is compared here would hold. */
async function diskFolder(): Promise<string> {
  const usual = tmpdir()
  if (!(await isInMemory(usual))) return usual
  return (await statfs('/var/tmp').catch(() => undefined)) === undefined ? usual : '/var/tmp'
}

async function isInMemory(folder: string): Promise<boolean> {
  return (await statfs(folder)).type === TMPFS
}
