import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Exit code. */
const WRONG_USAGE = 2

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

/** The exit code of a program that takes no arguments and was given some, `--help` mostly. Undefined: it was given none. */
export function answerToArguments(
  name: string,
  argv: readonly string[],
  usage: string,
  output: CommandOutput,
): number | undefined {
  if (argv.length === 0) return undefined
  if (argv.length === 1 && (argv[0] === '--help' || argv[0] === '-h')) {
    output.result(usage)
    return 0
  }
  output.remark(`${name}: cannot do "${argv.join(' ')}"\n\n${usage}`)
  return WRONG_USAGE
}

/** Whether `parseArgs` did not understand the arguments. */
export function isWrongOption(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}
