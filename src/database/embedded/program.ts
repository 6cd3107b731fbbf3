import { type SpawnOptions, spawn } from 'node:child_process'

const LONGEST_OUTPUT = 65_536

export interface ProgramResult {
  /** The exit code; undefined where the program could not be started or was ended by a signal. */
  readonly code: number | undefined
  readonly stdout: string
  /** What it said on stderr, or why it could not be started. */
  readonly stderr: string
}

/** Runs a program to its end, killing it at the deadline. Never rejects. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: SpawnOptions & { readonly timeoutMs: number },
): Promise<ProgramResult> {
  return new Promise(resolve => {
    let stdout = ''
    let stderr = ''
    const { timeoutMs, ...spawnOptions } = options
    const child = spawn(file, args, { ...spawnOptions, stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => {
      stderr += `\nno end within ${timeoutMs / 1000} s`
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.on('data', (chunk: Buffer) => {
      stdout = (stdout + chunk.toString()).slice(-LONGEST_OUTPUT)
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-LONGEST_OUTPUT)
    })
    child.on('error', error => {
      clearTimeout(timer)
      resolve({ code: undefined, stdout, stderr: error.message })
    })
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code: code ?? undefined, stdout, stderr })
    })
  })
}
