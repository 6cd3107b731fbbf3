import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { LeaseholdClient } from '../leasehold-client.ts'
import { type Client, ClosedLoops } from '../load.ts'
import { measureWindow, type Timing, type WindowResult, workFor } from '../measure.ts'
import type { Progress } from '../progress.ts'
import type { Service } from '../targets/leasehold.ts'
import type { ChurnResult, TableStatistics } from './growth-result.ts'
import { operationClient } from './operations.ts'
import { tableStatistics } from './table-statistics.ts'

const SESSIONS = 1000
const SESSION_SECONDS = 3600
/** With a touch every 20 s each session takes and gives back a lock every minute. */
const TOUCHES_PER_PAIR = 3
/** PostgreSQL's counts come so late at most. */
const LATE_COUNTS_MS = 12_000
const POLL_MS = 250

/** What measures the churn. */
export interface ChurnMeasure {
  readonly service: Service
  readonly schema: string
  readonly touches: number
  readonly connections: number
  readonly timing: Timing
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** The touches, acquires and releases of an hour as fast as they go, and what they leave in the tables. */
export async function measureChurn(measure: ChurnMeasure): Promise<ChurnResult> {
  const { service, schema, touches, signal } = measure
  const before = await measurePairs(measure, 'churn-before')
  const tablesBefore = await tableStatistics(service.database, schema)
  const started = performance.now()
  const pairs = await churn(measure)
  const seconds = (performance.now() - started) / 1000
  const tablesAfter = await countedStatistics(measure, updatesOf(tablesBefore) + touches)
  signal.throwIfAborted()
  const after = await measurePairs(measure, 'churn-after')
  return { sessions: SESSIONS, touches, pairs, seconds, before, after, tablesBefore, tablesAfter }
}

async function measurePairs(measure: ChurnMeasure, run: string): Promise<WindowResult> {
  const { service, connections, timing, signal } = measure
  const contents = { address: service, heldLocks: 0 }
  const load = await ClosedLoops.start(connections, (connection, recorder) =>
    operationClient('acquire and release', contents, { run, connection, connections }, recorder),
  )
  return await measureWindow(load, { service: [service.pid], database: [] }, timing, signal)
}

/** Returns how many locks were acquired and released. */
async function churn({ service, touches, connections, progress, signal }: ChurnMeasure): Promise<number> {
  const counts = { touches: 0, pairs: 0 }
  const load = await ClosedLoops.start(connections, connection =>
    churner(service, connection, Math.ceil(SESSIONS / connections), counts),
  )
  try {
    let said = 0
    while (counts.touches < touches) {
      await workFor(load, POLL_MS / 1000, signal)
      const tenths = Math.floor((10 * counts.touches) / touches)
      if (tenths > said) progress.say(`churn: ${counts.touches} of ${touches} touches`)
      said = tenths
    }
  } finally {
    await load.stop()
  }
  return counts.pairs
}

async function churner(
  service: Service,
  connection: number,
  ownSessions: number,
  counts: { touches: number; pairs: number },
): Promise<Client> {
  const client = await LeaseholdClient.open(service)
  const sessions = Array.from({ length: ownSessions }, () => randomUUID())
  for (const session of sessions) await client.startSession(session, SESSION_SECONDS)
  let turn = 0
  return {
    async work() {
      const session = sessions[turn % sessions.length] ?? ''
      turn += 1
      await client.touch(session)
      counts.touches += 1
      if (counts.touches % TOUCHES_PER_PAIR !== 0) return
      const lock = await client.acquire('churn', `${connection}-${turn}`, session)
      await client.release('churn', lock)
      counts.pairs += 1
    },
    close: () => client.close(),
  }
}

/** Waits until PostgreSQL has counted so many updates of sessions, or should have. */
async function countedStatistics(
  { service, schema, signal }: ChurnMeasure,
  updates: number,
): Promise<readonly TableStatistics[]> {
  const deadline = performance.now() + LATE_COUNTS_MS
  for (;;) {
    const tables = await tableStatistics(service.database, schema)
    if (updatesOf(tables) >= updates || performance.now() > deadline) return tables
    await pause(POLL_MS, undefined, { signal })
  }
}

function updatesOf(tables: readonly TableStatistics[]): number {
  return tables.find(({ table }) => table === 'sessions')?.updates ?? 0
}
