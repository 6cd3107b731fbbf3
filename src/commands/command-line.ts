import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where results go and where progress and errors go. */
export interface CommandOutput {
  readonly result: (text: string) => void
  readonly remark: (text: string) => void
}

export const TERMINAL: CommandOutput = {
  result: text => process.stdout.write(text),
  remark: text => process.stderr.write(text),
}

/** Whether this module is what node was told to run, also where the path leads through a symbolic link. */
export function isProgram(moduleUrl: string): boolean {
  const program = process.argv[1]
  return program !== undefined && realpathSync(program) === fileURLToPath(moduleUrl)
}

/** Whether `parseArgs` did not understand the arguments. */
export function isWrongOption(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}
