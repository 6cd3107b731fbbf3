import { setTimeout as pause } from 'node:timers/promises'
import { ClosedLoops } from '../load.ts'
import { kindResults, measureWindow, type Timing, workFor } from '../measure.ts'
import type { Progress } from '../progress.ts'
import type { Service } from '../targets/leasehold.ts'
import { LOCKS_PER_SESSION, sessionIdSql } from './fill.ts'
import type { SweepResult } from './growth-result.ts'
import { operationClient } from './operations.ts'

/** So many of the expired sessions, or a few more, tell how far the sweep is. They are spread over all of them. */
const SAMPLE = 1000
const POLL_MS = 100
/** The window before the sweep is so many times as long as others, since all is compared with this one alone. */
const LONG_WINDOW = 3

/** What measures the sweep. */
export interface SweepMeasure {
  readonly service: Service
  readonly schema: string
  readonly heldLocks: number
  readonly sweptLocks: number
  readonly connections: number
  readonly timing: Timing
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** Acquires and releases before, and while the service clears away sessions that have expired all at once. */
export async function measureSweep(measure: SweepMeasure): Promise<SweepResult> {
  const { service, heldLocks, sweptLocks, timing, progress, signal } = measure
  const processes = { service: [service.pid], database: [] }
  const before = await measureWindow(
    await startLoad(measure, 'before'),
    processes,
    { ...timing, seconds: timing.seconds * LONG_WINDOW },
    signal,
  )
  const load = await startLoad(measure, 'during')
  try {
    await workFor(load, timing.warmupSeconds, signal)
    await expire(measure)
    progress.say(`${sweptLocks} locks have expired; waiting for the sweep`)
    await until(async () => (await sampleLeft(measure)) < sampleOf(measure).size, measure)
    const started = performance.now()
    load.openWindow()
    await until(async () => (await sampleLeft(measure)) === 0 && !(await anyLeft(measure)), measure)
    load.closeWindow()
    const seconds = (performance.now() - started) / 1000
    const kinds = kindResults(await load.stop(), seconds)
    return {
      locks: heldLocks,
      expiredLocks: sweptLocks,
      seconds,
      before,
      during: { seconds, kinds, cpu: {} },
    }
  } catch (error) {
    await load.stop().catch(() => {})
    throw error
  }
}

function startLoad({ service, heldLocks, connections }: SweepMeasure, name: string): Promise<ClosedLoops> {
  return ClosedLoops.start(connections, (connection, recorder) =>
    operationClient(
      'acquire and release',
      { address: service, heldLocks },
      { run: `sweep-${name}`, connection, connections },
      recorder,
    ),
  )
}

/** In one transaction, so that the sweep finds all of them or none. */
async function expire({ service, schema, sweptLocks }: SweepMeasure): Promise<void> {
  await service.database.query(
    `update ${schema}.sessions set expires_at = clock_timestamp()
     where id in (select ${sessionIdSql('held', 'n')} from generate_series(0, $1::int) as n)`,
    [sessionsOf(sweptLocks) - 1],
  )
}

async function sampleLeft(measure: SweepMeasure): Promise<number> {
  const { service, schema, sweptLocks } = measure
  const [row] = await service.database.query<{ left: number }>(
    `select count(*)::int as left
     from generate_series(0, $1::int, $2::int) as n
     join ${schema}.sessions s on s.id = ${sessionIdSql('held', 'n')}
     where s.ended_at is null`,
    [sessionsOf(sweptLocks) - 1, sampleOf(measure).step],
  )
  return row?.left ?? 0
}

function sampleOf({ sweptLocks }: SweepMeasure): { readonly step: number; readonly size: number } {
  const sessions = sessionsOf(sweptLocks)
  const step = Math.max(1, Math.floor(sessions / SAMPLE))
  return { step, size: Math.ceil(sessions / step) }
}

function sessionsOf(locks: number): number {
  return Math.max(1, Math.floor(locks / LOCKS_PER_SESSION))
}

/** Reads the whole table, so it is asked only when the sample says that it is over. */
async function anyLeft({ service, schema }: SweepMeasure): Promise<boolean> {
  const rows = await service.database.query(
    `select from ${schema}.sessions where ended_at is null and expires_at <= now() limit 1`,
  )
  return rows.length > 0
}

async function until(condition: () => Promise<boolean>, { signal }: SweepMeasure): Promise<void> {
  while (!(await condition())) await pause(POLL_MS, undefined, { signal })
}
