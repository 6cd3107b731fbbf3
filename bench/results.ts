import { readFile, writeFile } from 'node:fs/promises'
import type { Environment } from './environment.ts'
import type { GrowthResult } from './growth/growth-result.ts'
import type { Measurement } from './measure.ts'
import type { SummaryRow } from './summary.ts'

/** What a run writes down. */
export type RunResult = ComparisonResult | GrowthRunResult

export interface ComparisonResult {
  readonly kind: 'comparison'
  readonly environment: Environment
  readonly targets: Readonly<Record<string, string>>
  readonly remarks: readonly string[]
  readonly summary: readonly SummaryRow[]
  readonly measurements: readonly Measurement[]
}

export interface GrowthRunResult {
  readonly kind: 'growth'
  readonly environment: Environment
  readonly remarks: readonly string[]
  readonly growth: GrowthResult
}

export async function writeResult(file: string, result: RunResult): Promise<void> {
  await writeFile(file, `${JSON.stringify(result, undefined, 1)}\n`)
}

export async function readResult(file: string): Promise<RunResult> {
  const result: RunResult = JSON.parse(await readFile(file, 'utf8'))
  if (result.kind !== 'comparison' && result.kind !== 'growth') {
    throw new Error(`${file} is not the result of a benchmark`)
  }
  return result
}
