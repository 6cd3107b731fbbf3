import { parseArgs } from 'node:util'

export const USAGE = `npm run fuzz -- [options]

  --requests N        how many are sent (100000)
  --seed S            what they are made of; the same seed makes the same requests (the time)
  --connections N     how many are under way at once (32)
  --first-batch N     begin with this batch of the seed (0)
  --database-url URL  this PostgreSQL instead of an embedded one; a schema leasehold_fuzz is made in it
  --folder FOLDER     where files are kept meanwhile (the system's folder for temporary files)

Exit code 0: nothing was found; 1: something was; 2: wrong usage.
`

export interface Options {
  readonly requests: number
  readonly seed: number
  readonly connections: number
  readonly firstBatch: number
  readonly databaseUrl: string | undefined
  readonly folder: string | undefined
  readonly help: boolean
}

/** Wrong usage, in words for people. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function readOptions(args: readonly string[]): Options {
  const { values } = parse(args)
  return {
    requests: whole('--requests', values.requests, 100_000, 1),
    seed: whole('--seed', values.seed, Date.now() % 2 ** 31, 0),
    connections: whole('--connections', values.connections, 32, 1),
    firstBatch: whole('--first-batch', values['first-batch'], 0, 0),
    databaseUrl: values['database-url'],
    folder: values.folder,
    help: values.help === true,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        requests: { type: 'string' },
        seed: { type: 'string' },
        connections: { type: 'string' },
        'first-batch': { type: 'string' },
        'database-url': { type: 'string' },
        folder: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function whole(option: string, text: string | undefined, fallback: number, least: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || value < least) {
    throw new UsageError(`${option}: has to be a whole number of at least ${least}`)
  }
  return value
}
