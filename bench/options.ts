import { parseArgs } from 'node:util'
import { TARGET_NAMES, type TargetName } from './targets/target.ts'
import { WORKLOADS, type WorkloadName } from './workloads.ts'

export const USAGE = `npm run bench -- [options]

  --rounds N            how often everything is measured, alternating (5)
  --seconds S           how long each measurement is (5; with --growth 3)
  --warmup S            how long its clients work before it begins (2; with --growth 0.5)
  --connections N,...   (1,16,64,128,256)
  --targets NAME,...    leasehold, "leasehold, group commit off" (or off), pgbench, koa,
                        "koa, bare rows" (or rows), etcd, "etcd, a lease for each lock" (or leases),
                        redis (all)
  --workloads NAME,...  distinct, named, hot, touch, mixed (all); other targets know distinct alone
  --set NAME=VALUE      a setting of the service; may be repeated
  --database-url URL    this PostgreSQL instead of an embedded one
  --folder FOLDER       where files are kept meanwhile (the system's folder for temporary files)
  --profile FOLDER      write CPU profiles of the service there, for Chromium's developer tools
  --out FILE            write the results as JSON
  --quick               one short round, to see that everything works

  --growth              measure how the service does as its tables grow; with
    --sizes N,...       locks held (0,100000,1000000,10000000)
    --sweep N           locks of the expired sessions that are swept (1000000; 0: none)
    --churn N           touches of the churn, with a third as many acquires and releases (180000; 0: none)

  --chart FILE          draw the JSON of a run as SVG, to --out or standard output
`

/** What the command line asks for. */
export interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly warmupSeconds: number
  readonly connections: readonly number[]
  readonly targets: readonly TargetName[]
  readonly workloads: readonly WorkloadName[]
  readonly serviceSettings: Readonly<Record<string, string>>
  readonly databaseUrl: string | undefined
  readonly folder: string | undefined
  /** Where CPU profiles of the service go. */
  readonly profile: string | undefined
  readonly out: string | undefined
  readonly growth: GrowthOptions | undefined
  readonly chart: string | undefined
  readonly help: boolean
}

export interface GrowthOptions {
  /** Locks held, ascending. */
  readonly sizes: readonly number[]
  readonly sweptLocks: number
  readonly churnTouches: number
}

/** Wrong usage, in words for people. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Names with a comma have another one for the command line. */
const SHORT_NAMES: Readonly<Record<string, TargetName>> = {
  off: 'leasehold, group commit off',
  rows: 'koa, bare rows',
  leases: 'etcd, a lease for each lock',
}

export function readOptions(args: readonly string[]): Options {
  const { values } = parse(args)
  const quick = values.quick === true
  const growth = values.growth === true
  return {
    rounds: number('--rounds', values.rounds, quick ? 1 : 5, 1),
    seconds: number('--seconds', values.seconds, quick ? 1 : growth ? 3 : 5, 0.1),
    warmupSeconds: number('--warmup', values.warmup, quick ? 0.3 : growth ? 0.5 : 2, 0),
    connections: numbers('--connections', values.connections, quick ? [1, 16] : [1, 16, 64, 128, 256], 1),
    targets: names('--targets', values.targets, TARGET_NAMES, text =>
      Object.entries(SHORT_NAMES)
        .reduce((rest, [short, name]) => rest.replaceAll(name, short), text)
        .split(',')
        .map(name => SHORT_NAMES[name.trim()] ?? name.trim()),
    ),
    workloads: names('--workloads', values.workloads, Object.keys(WORKLOADS) as WorkloadName[]),
    serviceSettings: settings(values.set ?? []),
    databaseUrl: values['database-url'],
    folder: values.folder,
    profile: values.profile,
    out: values.out,
    growth: growth
      ? {
          sizes: numbers(
            '--sizes',
            values.sizes,
            quick ? [0, 10_000] : [0, 100_000, 1_000_000, 10_000_000],
            0,
          ).toSorted((a, b) => a - b),
          sweptLocks: number('--sweep', values.sweep, quick ? 10_000 : 1_000_000, 0),
          churnTouches: number('--churn', values.churn, quick ? 3000 : 180_000, 0),
        }
      : undefined,
    chart: values.chart,
    help: values.help === true,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        warmup: { type: 'string' },
        connections: { type: 'string' },
        targets: { type: 'string' },
        workloads: { type: 'string' },
        set: { type: 'string', multiple: true },
        'database-url': { type: 'string' },
        folder: { type: 'string' },
        profile: { type: 'string' },
        out: { type: 'string' },
        quick: { type: 'boolean' },
        growth: { type: 'boolean' },
        sizes: { type: 'string' },
        sweep: { type: 'string' },
        churn: { type: 'string' },
        chart: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
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

function numbers(
  option: string,
  text: string | undefined,
  fallback: readonly number[],
  least: number,
): readonly number[] {
  if (text === undefined) return fallback
  return text.split(',').map(part => {
    const value = number(option, part, 0, least)
    if (!Number.isInteger(value)) throw new UsageError(`${option}: has to be whole numbers`)
    return value
  })
}

function names<Name extends string>(
  option: string,
  text: string | undefined,
  known: readonly Name[],
  split: (text: string) => readonly string[] = whole => whole.split(',').map(part => part.trim()),
): readonly Name[] {
  if (text === undefined) return known
  const wanted = split(text)
  const unknown = wanted.filter(name => !known.some(one => one === name))
  if (unknown.length > 0) {
    throw new UsageError(`${option}: ${unknown.join(', ')} is not known; there are ${known.join(', ')}`)
  }
  return known.filter(name => wanted.includes(name))
}

function settings(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map(pair => {
      const [, name, value] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(pair) ?? []
      if (name === undefined || value === undefined)
        throw new UsageError(`--set ${pair}: has to be NAME=VALUE`)
      return [name, value]
    }),
  )
}
