import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'

const FILE_TIMEOUT_SECONDS = 900
const KILL_AFTER_MS = 15_000
/** tap ends without its test files when it is told to, so they are told with it, as one process group. */
const OWN_GROUP = process.platform !== 'win32'

export interface TapRunOptions {
  readonly root: string
  readonly files: readonly string[]
  /** Where the raw TAP goes. */
  readonly rawFile: string
  readonly environment: Readonly<Record<string, string>>
  /** Ends the run early. */
  readonly signal: AbortSignal
}

/** Runs compiled test files in parallel with tap's own report on stdout. Resolves with what tap ended with. */
export function runTap(options: TapRunOptions): Promise<{ code: number | null; signal: string | null }> {
  // On a terminal the report is redrawn all the time; CI keeps it to one line a file, as a log wants it.
  const plain = process.stdout.isTTY ? {} : { CI: 'true' }
  const args = [
    tapCommand(),
    'run',
    '--disable-coverage',
    '--reporter=base',
    `--jobs=${Math.max(2, 2 * availableParallelism())}`,
    `--timeout=${FILE_TIMEOUT_SECONDS}`,
    `--output-file=${options.rawFile}`,
    // The tests are compiled already; without this each file loads a TypeScript compiler that cannot read ours.
    '--test-env=TAP_TYPE_STRIP_ONLY=1',
    ...(process.env.CI === undefined ? ['--test-env=CI'] : []),
    ...options.files,
  ]
  const child = spawn(process.execPath, args, {
    cwd: options.root,
    stdio: 'inherit',
    env: { ...process.env, ...plain, ...options.environment },
    detached: OWN_GROUP,
  })
  let killer: NodeJS.Timeout | undefined
  const end = () => {
    sendAll(child, 'SIGTERM')
    killer = setTimeout(() => sendAll(child, 'SIGKILL'), KILL_AFTER_MS)
  }
  options.signal.addEventListener('abort', end, { once: true })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(killer)
      options.signal.removeEventListener('abort', end)
      resolve({ code, signal })
    })
  })
}

function sendAll(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || !OWN_GROUP) {
    child.kill(signal)
    return
  }
  try {
    process.kill(-child.pid, signal)
  } catch {
    // All of them have ended by now.
  }
}

function tapCommand(): string {
  const manifest = createRequire(import.meta.url).resolve('tap/package.json')
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: { tap: string } }
  return join(dirname(manifest), bin.tap)
}
