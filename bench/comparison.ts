import type { Cleanup } from './cleanup.ts'
import { describeEnvironment } from './environment.ts'
import { type Measurement, measureWindow, warmUp } from './measure.ts'
import type { Options } from './options.ts'
import { plan, type Step } from './plan.ts'
import type { Progress } from './progress.ts'
import type { ComparisonResult } from './results.ts'
import { summarize } from './summary.ts'
import { LEASE_A_LOCK, ONE_LEASE, startEtcd } from './targets/etcd.ts'
import { startKoa, startKoaWithRows } from './targets/koa.ts'
import { startLeasehold } from './targets/leasehold.ts'
import { startPgbench } from './targets/pgbench.ts'
import { startRedis } from './targets/redis.ts'
import type { Missing, Target, TargetName } from './targets/target.ts'
import { makeTestBed, type TestBed } from './test-bed.ts'

const ON_DATABASE: readonly TargetName[] = [
  'leasehold',
  'leasehold, group commit off',
  'pgbench',
  'koa, bare rows',
]

/** Connections that the services, their sweepers and people need besides those of pgbench. */
const OTHER_CONNECTIONS = 200

/** What a target does before the first round. */
const FIRST_CONNECTIONS = 16
/** So many times as long as before each measurement. */
const FIRST_WARMUPS = 3

/** Measures every target in turn, round by round. */
export async function compare(
  options: Options,
  args: readonly string[],
  cleanup: Cleanup,
  progress: Progress,
  signal: AbortSignal,
): Promise<ComparisonResult> {
  const bed = await makeTestBed(
    {
      databaseUrl: options.databaseUrl,
      parentFolder: options.folder,
      serviceSettings: options.serviceSettings,
      profileFolder: options.profile,
      maxConnections: Math.max(...options.connections) + OTHER_CONNECTIONS,
      remark: text => progress.remark(text),
    },
    cleanup,
  )
  const targets = await startTargets(options, bed, progress, signal)
  const usesDatabase = options.targets.some(name => ON_DATABASE.includes(name))
  const environment = await describeEnvironment(
    bed.folder,
    args,
    usesDatabase ? await bed.database() : undefined,
  )
  if (options.warmupSeconds > 0) {
    for (const target of targets) {
      const load = await target.load('distinct', FIRST_CONNECTIONS, 'first')
      await warmUp(load, FIRST_WARMUPS * options.warmupSeconds, signal)
    }
  }
  const steps = plan(targets, options.workloads, options.connections, options.rounds)
  const measurements: Measurement[] = []
  for (const [index, step] of steps.entries()) {
    const measurement = await measure(step, `r${index}`, targets, options, signal)
    measurements.push(measurement)
    progress.measured(index + 1, steps.length, measurement)
  }
  return {
    kind: 'comparison',
    environment,
    targets: Object.fromEntries(targets.map(({ name, description }) => [name, description])),
    remarks: [...progress.remarks, ...limited(targets, options)],
    summary: summarize(measurements),
    measurements,
  }
}

async function measure(
  step: Step,
  run: string,
  targets: readonly Target[],
  { warmupSeconds, seconds }: Options,
  signal: AbortSignal,
): Promise<Measurement> {
  signal.throwIfAborted()
  const target = targets.find(({ name }) => name === step.target)
  if (target === undefined) throw new Error(`${step.target} was not started`)
  const where = `${step.target}, ${step.workload}, ${step.connections} connections`
  try {
    const load = await target.load(step.workload, step.connections, run)
    return { ...step, ...(await measureWindow(load, target.processes, { warmupSeconds, seconds }, signal)) }
  } catch (error) {
    if (signal.aborted) throw error
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

async function startTargets(
  options: Options,
  bed: TestBed,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly Target[]> {
  const starters: Readonly<Record<TargetName, () => Promise<Target | Missing>>> = {
    leasehold: () => startLeasehold(bed, 'leasehold', 'leasehold_bench', {}),
    'leasehold, group commit off': () =>
      startLeasehold(bed, 'leasehold, group commit off', 'leasehold_bench_single', { BATCH_SIZE: '1' }, [
        'distinct',
      ]),
    pgbench: () => startPgbench(bed, longestSeconds(options)),
    koa: () => startKoa(bed),
    'koa, bare rows': () => startKoaWithRows(bed),
    etcd: () => startEtcd(bed, ONE_LEASE),
    'etcd, a lease for each lock': () => startEtcd(bed, LEASE_A_LOCK),
    redis: () => startRedis(bed),
  }
  const targets: Target[] = []
  for (const name of options.targets) {
    signal.throwIfAborted()
    const target = await starters[name]()
    if ('missing' in target) {
      progress.remark(`${name} is left out: ${target.missing}`)
    } else {
      progress.say(`${name}: ${target.description}`)
      targets.push(target)
    }
  }
  return targets
}

/** How long a load has to work at most. */
function longestSeconds({ warmupSeconds, seconds }: Options): number {
  return Math.max(warmupSeconds + seconds, FIRST_WARMUPS * warmupSeconds)
}

function limited(targets: readonly Target[], { connections }: Options): string[] {
  return targets.flatMap(({ name, maxConnections }) => {
    const tooMany = connections.filter(count => count > (maxConnections ?? count))
    return tooMany.length === 0
      ? []
      : [`${name}: the server has no room for ${tooMany.join(', ')} connections`]
  })
}
