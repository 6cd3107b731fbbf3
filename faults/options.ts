import { parseArgs } from 'node:util'

export const USAGE = `npm run faults -- [options]

  --minutes N        how long faults are made (3)
  --operations N     goes on until so many operations were answered for certain, but twice the minutes at most (0)
  --seed S           decides what happens when, as far as a machine lets it (made up unless given)
  --clients N        clients, each with one request under way (400)
  --keys N           resources of a round (600)
  --round S          seconds of a round; each has resources of its own and is judged while the next one runs (60)
  --topology NAME    pair (a primary and a synchronous standby), single, or both in turn (both)
  --postgres WHICH   embedded, or the major version of one that Debian installed (embedded)
  --pace N           faults a minute, about (25)
  --faults NAME,...  only lanes (service, database, network, hand) or kinds that are named; none: a calm run
  --set NAME=VALUE   a setting of the services; may be repeated
  --out FILE         write the result as a table in Markdown
  --keep FOLDER      keep the histories there; those with violations are kept in any case

  --control NAME     run the service without one of its guards, to see it caught; several: NAME,NAME
  --controls         all of them, one after the other
  --check FILE       judge a history that was kept, and draw it
`

export interface Options {
  readonly minutes: number
  /** Answered for certain at least, if that takes no more than twice the time. */
  readonly operations: number
  readonly seed: number
  readonly clients: number
  readonly keys: number
  readonly roundSeconds: number
  readonly topology: 'pair' | 'single' | 'both'
  readonly postgres: string
  readonly faultsPerMinute: number
  /** Empty: none. Undefined: all. */
  readonly faults: readonly string[] | undefined
  readonly serviceSettings: Readonly<Record<string, string>>
  readonly out: string | undefined
  readonly keep: string | undefined
  readonly control: string | undefined
  readonly check: string | undefined
  readonly help: boolean
}

/** Wrong usage, in words for people. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function readOptions(args: readonly string[]): Options {
  const values = parse(args)
  const topology = values.topology ?? 'both'
  if (topology !== 'pair' && topology !== 'single' && topology !== 'both') {
    throw new UsageError('--topology: has to be pair, single or both')
  }
  return {
    minutes: number('--minutes', values.minutes, 3, 0.1),
    operations: number('--operations', values.operations, 0, 0),
    seed: Math.floor(number('--seed', values.seed, Math.floor(Math.random() * 2 ** 31), 0)),
    clients: Math.floor(number('--clients', values.clients, 400, 2)),
    keys: Math.floor(number('--keys', values.keys, 600, 10)),
    roundSeconds: number('--round', values.round, 60, 5),
    topology,
    postgres: values.postgres ?? 'embedded',
    faultsPerMinute: number('--pace', values.pace, 25, 0.1),
    faults: values.faults?.split(',').filter(name => name !== 'none'),
    serviceSettings: Object.fromEntries((values.set ?? []).map(settingOf)),
    out: values.out,
    keep: values.keep,
    control: values.controls === true ? 'all' : values.control,
    check: values.check,
    help: values.help === true,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string' },
        operations: { type: 'string' },
        seed: { type: 'string' },
        clients: { type: 'string' },
        keys: { type: 'string' },
        round: { type: 'string' },
        topology: { type: 'string' },
        postgres: { type: 'string' },
        pace: { type: 'string' },
        faults: { type: 'string' },
        set: { type: 'string', multiple: true },
        out: { type: 'string' },
        keep: { type: 'string' },
        control: { type: 'string' },
        controls: { type: 'boolean' },
        check: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function number(option: string, text: string | undefined, fallback: number, least: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < least) {
    throw new UsageError(`${option}: has to be a number of at least ${least}`)
  }
  return value
}

function settingOf(pair: string): [string, string] {
  const [, name, value] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(pair) ?? []
  if (name === undefined || value === undefined) throw new UsageError(`--set ${pair}: has to be NAME=VALUE`)
  return [name, value]
}
