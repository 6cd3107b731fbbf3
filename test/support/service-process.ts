import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { carryTimeOuts, pooledEnvironment } from './through-pooler.ts'

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** The admin key of services started by tests. */
export const ADMIN_KEY = 'an-admin-key-for-the-tests'

export interface ServiceProcess {
  readonly url: string
  readonly child: ChildProcess
  /** What it has said so far: standard output and standard error. */
  readonly said: { out: string; err: string }
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals | null>
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>
}

/**
 * Starts the compiled service as a process of its own and waits until it listens and has its admin key. Killed
 * when the test ends.
 */
export async function startService(
  t: { teardown(task: () => Promise<unknown>): void },
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  await carryTimeOutsOf(environment)
  const service = spawnService(environment)
  t.teardown(() => service.stop('SIGKILL'))
  const url = await new Promise<string>((resolve, reject) => {
    service.child.stdout?.on('data', () => {
      const url = /listens on (\S+)[\s\S]*DELETE/.exec(service.said.out)?.[1]
      if (url !== undefined) resolve(url)
    })
    void service.exited.then(code => reject(new Error(`the service ended (${code}):\n${service.said.err}`)))
  })
  return { ...service, url }
}

/** Starts the service and waits until it listens, ready or not. Killed when the test ends. */
export async function startListening(
  t: { teardown(task: () => Promise<unknown>): void },
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  await carryTimeOutsOf(environment)
  const service = spawnService({ LOG_LEVEL: 'info', ...environment })
  t.teardown(() => service.stop('SIGKILL'))
  const url = await new Promise<string>((resolve, reject) => {
    service.child.stderr?.on('data', () => {
      const url = /"url":"([^"]+)","msg":"listening"/.exec(service.said.err)?.[1]
      if (url !== undefined) resolve(url)
    })
    void service.exited.then(code => reject(new Error(`the service ended (${code}):\n${service.said.err}`)))
  })
  return { ...service, url }
}

async function carryTimeOutsOf(environment: Readonly<Record<string, string>>): Promise<void> {
  const {
    DATABASE_URL: url,
    DATABASE_STATEMENT_TIMEOUT_MS: statement,
    DATABASE_LOCK_TIMEOUT_MS: lock,
  } = environment
  if (url === undefined) return
  await carryTimeOuts(url, {
    statementTimeoutMs: statement === undefined ? undefined : Number(statement),
    lockTimeoutMs: lock === undefined ? undefined : Number(lock),
  })
}

/** Starts the service without waiting for anything. */
export function spawnService(environment: Readonly<Record<string, string>>): Omit<ServiceProcess, 'url'> {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH,
      HOME,
      ...(TMPDIR === undefined ? {} : { TMPDIR }),
      PORT: '0',
      BOOTSTRAP_KEY: ADMIN_KEY,
      LOG_LEVEL: 'warn',
      ...environment,
      ...pooledEnvironment(environment.DATABASE_URL),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // a test that runs out of time ends without its teardowns, and must not leave a service behind
  const killIt = () => child.kill('SIGKILL')
  process.once('exit', killIt)
  child.once('close', () => process.off('exit', killIt))
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text
  })
  const exited = new Promise<number | NodeJS.Signals | null>(resolve =>
    child.once('close', (code, signal) => resolve(code ?? signal)),
  )
  return {
    child,
    said,
    exited,
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return exited
    },
  }
}
