import type { SpawnOptions } from 'node:child_process'
import { basename, dirname } from 'node:path'
import { type Account, accountForServer, firstBarrier, isRoot } from './account.ts'
import type { Binaries } from './binaries.ts'
import { EmbeddedPostgresError } from './embedded-error.ts'
import { serverEnvironment } from './environment.ts'
import { runProgram } from './program.ts'

const CHECK_TIMEOUT_MS = 10_000

/** How PostgreSQL's programs are started on this machine. */
export interface Launcher {
  /** Whom they run as; undefined: as ourselves. */
  readonly account: Account | undefined
  /** The capability that carries them past folders closed to their user. */
  readonly capability: string | undefined
  /** What `postgres --version` says. */
  readonly version: string
  /** False where only the capability makes the binaries reachable. */
  readonly binariesReachable: boolean
}

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly options: SpawnOptions
}

/**
 * The command line of a program.
 *
 * With a capability the program is named relative to its folder: PostgreSQL asks access(2) about its own file,
 * and access(2) does not count capabilities, so that a full path would be refused.
 */
export function commandFor(launcher: Launcher, file: string, args: readonly string[]): Command {
  const { account, capability } = launcher
  const options: SpawnOptions = { cwd: dirname(file), env: serverEnvironment(), windowsHide: true }
  if (account === undefined) return { file, args, options }
  if (capability === undefined) {
    return { file, args, options: { ...options, uid: account.uid, gid: account.gid } }
  }
  const setpriv = [
    `--reuid=${account.uid}`,
    `--regid=${account.gid}`,
    '--clear-groups',
    `--inh-caps=+${capability}`,
    `--ambient-caps=+${capability}`,
    '--',
    `./${basename(file)}`,
  ]
  return { file: 'setpriv', args: [...setpriv, ...args], options }
}

/**
 * Finds out, by trying, how PostgreSQL can run here. As root it has to run as somebody else, who may be kept out
 * by the folders above (a clone in /root). Their modes are not ours to change, so that user is given one ambient
 * capability: passing folders if the machine allows just that, else ignoring file modes.
 */
export async function chooseLauncher(
  binaries: Binaries,
  dataDir: string,
  cluster: string,
): Promise<Launcher> {
  const { code, stdout, stderr } = await runProgram(binaries.postgres, ['--version'], {
    env: serverEnvironment(),
    timeoutMs: CHECK_TIMEOUT_MS,
  })
  if (code !== 0) {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL cannot run on this machine: ${stderr.trim()}\nSet DATABASE_URL to use a PostgreSQL of your own.`,
    )
  }
  const version = stdout.trim()
  if (!isRoot()) return { account: undefined, capability: undefined, version, binariesReachable: true }

  const account = await accountForServer(cluster)
  const direct: Launcher = { account, capability: undefined, version, binariesReachable: true }
  const binariesReachable = await reachesBinaries(direct, binaries)
  if (binariesReachable && (await reachesFolder(direct, dataDir))) return direct
  for (const capability of ['dac_read_search', 'dac_override']) {
    const launcher: Launcher = { account, capability, version, binariesReachable }
    if ((await reachesBinaries(launcher, binaries)) && (await reachesFolder(launcher, dataDir)))
      return launcher
  }
  throw await unreachable(account, binariesReachable ? dataDir : dirname(binaries.postgres))
}

async function reachesBinaries(launcher: Launcher, binaries: Binaries): Promise<boolean> {
  const result = await run(launcher, binaries.postgres, ['--version'])
  return result.code === 0 && !result.stderr.includes('invalid binary')
}

async function reachesFolder(launcher: Launcher, folder: string): Promise<boolean> {
  return (await run(launcher, '/bin/sh', ['-c', 'cd "$1"', 'sh', folder])).code === 0
}

function run(launcher: Launcher, file: string, args: readonly string[]) {
  const command = commandFor(launcher, file, args)
  return runProgram(command.file, command.args, { ...command.options, timeoutMs: CHECK_TIMEOUT_MS })
}

async function unreachable(account: Account, path: string): Promise<EmbeddedPostgresError> {
  const barrier = (await firstBarrier(account, path)) ?? path
  return new EmbeddedPostgresError(
    `PostgreSQL does not run as root, and the user ${account.name} may not pass the folder ${barrier} on the way to ${path}. ` +
      'One of these helps: run the service as another user than root; install setpriv (package util-linux); ' +
      `move the project and DATA_DIR out of ${barrier}; chmod o+x ${barrier}; set DATABASE_URL.`,
  )
}
