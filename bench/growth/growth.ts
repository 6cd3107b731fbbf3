import type { Cleanup } from '../cleanup.ts'
import { describeEnvironment } from '../environment.ts'
import { ClosedLoops } from '../load.ts'
import { measureWindow, type WindowResult, warmUp } from '../measure.ts'
import type { GrowthOptions, Options } from '../options.ts'
import type { Progress } from '../progress.ts'
import type { GrowthRunResult } from '../results.ts'
import { rounded } from '../table.ts'
import { type Service, startService } from '../targets/leasehold.ts'
import { makeTestBed } from '../test-bed.ts'
import { measureChurn } from './churn.ts'
import { fillHeld, fillListed, settle } from './fill.ts'
import { type GrowthRow, OPERATIONS, type OperationName, type TableStatistics } from './growth-result.ts'
import { type GrowthMeasurement, growthRows } from './growth-rows.ts'
import { operationClient } from './operations.ts'
import { measureSweep } from './sweep.ts'
import { tableStatistics } from './table-statistics.ts'

const SMALL = 'leasehold_bench_small'
const GROWN = 'leasehold_bench_grown'
const CONNECTIONS = 16
const MAX_CONNECTIONS = 200

/**
 * Measures two services on one server in turn: the tables of one grow from size to size, those of the other stay
 * small, so that a machine that is slower for a while does not look like a table that is too large.
 */
export async function measureGrowth(
  options: Options,
  growth: GrowthOptions,
  args: readonly string[],
  cleanup: Cleanup,
  progress: Progress,
  signal: AbortSignal,
): Promise<GrowthRunResult> {
  const bed = await makeTestBed(
    {
      databaseUrl: options.databaseUrl,
      parentFolder: options.folder,
      serviceSettings: options.serviceSettings,
      profileFolder: options.profile,
      maxConnections: MAX_CONNECTIONS,
      remark: text => progress.remark(text),
    },
    cleanup,
  )
  const small = await startService(bed, SMALL)
  const grown = await startService(bed, GROWN)
  const { database } = grown
  const environment = await describeEnvironment(bed.folder, args, database)
  for (const schema of [SMALL, GROWN]) {
    await fillListed(database, schema)
    await settle(database, schema)
  }
  const work: Work = { small, grown, options, progress, signal }
  for (const which of ['small', 'grown'] as const) {
    for (const operation of Object.keys(OPERATIONS) as OperationName[]) {
      const load = await startLoad(work, which, 0, operation, 'first')
      await warmUp(load, options.warmupSeconds, signal)
    }
  }
  const rows: GrowthRow[] = []
  const tables: Record<string, readonly TableStatistics[]> = {}
  let held = 0
  for (const size of growth.sizes) {
    await fillHeld(database, GROWN, held, size, text => progress.say(text), signal)
    held = size
    await settle(database, GROWN)
    tables[size] = await tableStatistics(database, GROWN)
    rows.push(...growthRows(size, await measureSize(work, size)))
  }
  const common = { connections: CONNECTIONS, timing: options, progress, signal }
  const sweptLocks = Math.min(growth.sweptLocks, held)
  const sweep =
    sweptLocks === 0
      ? undefined
      : await measureSweep({ ...common, service: grown, schema: GROWN, heldLocks: held, sweptLocks })
  const churn =
    growth.churnTouches === 0
      ? undefined
      : await measureChurn({ ...common, service: small, schema: SMALL, touches: growth.churnTouches })
  return {
    kind: 'growth',
    environment,
    remarks: progress.remarks,
    growth: { rows, tables, ...(sweep && { sweep }), ...(churn && { churn }) },
  }
}

interface Work {
  readonly small: Service
  readonly grown: Service
  readonly options: Options
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Both services in turn, in each round another one first. */
async function measureSize(work: Work, size: number): Promise<readonly GrowthMeasurement[]> {
  const { options, progress } = work
  const measurements: GrowthMeasurement[] = []
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const operation of Object.keys(OPERATIONS) as OperationName[]) {
      const run = `${size}-${round}`
      const grownFirst = round % 2 === 0
      const early = grownFirst ? await measureOne(work, 'grown', size, operation, run) : undefined
      const small = await measureOne(work, 'small', 0, operation, run)
      const grown = early ?? (await measureOne(work, 'grown', size, operation, run))
      measurements.push({ operation, small, grown })
      const kind = OPERATIONS[operation]
      const [ours, theirs] = [grown.kinds[kind], small.kinds[kind]]
      progress.say(
        `${size.toLocaleString('en-US')} locks, round ${round}, ${operation}: ${rounded(ours?.perSecond)}/s, p99 ${rounded(ours?.p99Ms)} ms; small tables ${rounded(theirs?.perSecond)}/s, p99 ${rounded(theirs?.p99Ms)} ms`,
      )
    }
  }
  return measurements
}

async function measureOne(
  work: Work,
  which: 'small' | 'grown',
  heldLocks: number,
  operation: OperationName,
  run: string,
): Promise<WindowResult> {
  const { options, signal } = work
  signal.throwIfAborted()
  const service = work[which]
  const { pid } = service.database
  const processes = { service: [service.pid], database: pid === undefined ? [] : [pid] }
  const load = await startLoad(work, which, heldLocks, operation, run)
  return await measureWindow(load, processes, options, signal)
}

function startLoad(
  work: Work,
  which: 'small' | 'grown',
  heldLocks: number,
  operation: OperationName,
  run: string,
): Promise<ClosedLoops> {
  const contents = { address: work[which], heldLocks }
  return ClosedLoops.start(CONNECTIONS, (connection, recorder) =>
    operationClient(operation, contents, { run, connection, connections: CONNECTIONS }, recorder),
  )
}
