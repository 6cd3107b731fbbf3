import { setTimeout as pause } from 'node:timers/promises'
import { cpuSecondsOf } from './cpu.ts'
import type { Histogram } from './histogram.ts'
import type { Durations, Load } from './load.ts'
import type { Target, TargetName } from './targets/target.ts'
import type { WorkloadName } from './workloads.ts'

/** How long the clients work before the window opens, and how long it is open, in seconds. */
export interface Timing {
  readonly warmupSeconds: number
  readonly seconds: number
}

/** One kind of operation in one window. */
export interface KindResult {
  readonly count: number
  readonly perSecond: number
  readonly meanMs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** CPU seconds in one window; missing where they are not known. */
export interface CpuResult {
  readonly generator?: number
  readonly service?: number
  readonly database?: number
}

/** What one window of a load came to. */
export interface WindowResult {
  readonly seconds: number
  readonly kinds: Readonly<Record<string, KindResult>>
  readonly cpu: CpuResult
}

/** One target under one workload in one round. */
export interface Measurement extends WindowResult {
  readonly round: number
  readonly workload: WorkloadName
  readonly connections: number
  readonly target: TargetName
}

/** Measures one window of a load and ends the load, also where it fails or the signal comes. */
export async function measureWindow(
  load: Load,
  processes: Target['processes'],
  { warmupSeconds, seconds }: Timing,
  signal: AbortSignal,
): Promise<WindowResult> {
  try {
    await workFor(load, warmupSeconds, signal)
    const before = cpuNow(load, processes)
    const opened = performance.now()
    load.openWindow()
    await workFor(load, seconds, signal)
    load.closeWindow()
    const elapsedSeconds = (performance.now() - opened) / 1000
    const cpu = difference(cpuNow(load, processes), before)
    return { seconds: elapsedSeconds, kinds: kindResults(await load.stop(), elapsedSeconds), cpu }
  } catch (error) {
    await load.stop().catch(() => {})
    throw error
  }
}

/**
 * Lets a target work before anything is measured, so that the first round does not tell how slow code is that was
 * not compiled yet, or a table that is empty.
 */
export async function warmUp(load: Load, seconds: number, signal: AbortSignal): Promise<void> {
  try {
    await workFor(load, seconds, signal)
  } finally {
    await load.stop()
  }
}

/** Lets the clients work; rejects as soon as one of them has failed. */
export async function workFor(load: Load, seconds: number, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const time = pause(seconds * 1000, undefined, { signal: AbortSignal.any([signal, over.signal]) })
  try {
    await Promise.race([time, load.running])
    // pgbench may have ended in order a moment before the time is over
    await time
  } finally {
    over.abort()
    time.catch(() => {})
  }
}

export function kindResults(durations: Durations, seconds: number): Record<string, KindResult> {
  return Object.fromEntries([...durations].map(([kind, histogram]) => [kind, kindResult(histogram, seconds)]))
}

function kindResult(histogram: Histogram, seconds: number): KindResult {
  const { count, meanMs, maxMs } = histogram
  return {
    count,
    perSecond: count / seconds,
    meanMs,
    p50Ms: histogram.quantileMs(0.5),
    p99Ms: histogram.quantileMs(0.99),
    maxMs,
  }
}

function cpuNow(load: Load, { service, database }: Target['processes']): CpuResult {
  const { user, system } = process.cpuUsage()
  const ofOther = load.generatorPid === undefined ? 0 : (cpuSecondsOf([load.generatorPid]) ?? 0)
  const ofService = cpuSecondsOf(service)
  const ofDatabase = cpuSecondsOf(database)
  return {
    generator: (user + system) / 1e6 + ofOther,
    ...(ofService === undefined ? {} : { service: ofService }),
    ...(ofDatabase === undefined ? {} : { database: ofDatabase }),
  }
}

function difference(after: CpuResult, before: CpuResult): CpuResult {
  const seconds: Record<string, number> = {}
  for (const part of ['generator', 'service', 'database'] as const) {
    const [end, start] = [after[part], before[part]]
    if (end !== undefined && start !== undefined) seconds[part] = end - start
  }
  return seconds
}
