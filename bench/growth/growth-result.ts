import type { KindResult, WindowResult } from '../measure.ts'

/** The operations that are measured on tables of different sizes. */
export const OPERATIONS = {
  'acquire and release': 'pair',
  touch: 'touch',
  conflict: 'conflict',
  'list of a small namespace': 'list',
  'list of a large namespace': 'list',
} as const

export type OperationName = keyof typeof OPERATIONS

/** Medians of the rounds of one operation at one size, beside those of the small tables in the same rounds. */
export interface GrowthRow {
  readonly locks: number
  readonly operation: OperationName
  readonly kind: string
  readonly grown: Figures
  readonly small: Figures
  /** The grown one's figure divided by the small one's of the same round. */
  readonly ratios: Figures
}

export type Figures = Readonly<Pick<KindResult, 'perSecond' | 'p50Ms' | 'p99Ms'>>

/** What PostgreSQL says of a table. */
export interface TableStatistics {
  readonly table: string
  readonly liveRows: number
  readonly deadRows: number
  readonly updates: number
  readonly hotUpdates: number
  readonly autovacuums: number
  readonly tableBytes: number
  readonly indexBytes: Readonly<Record<string, number>>
}

export interface SweepResult {
  /** What was held when the sweep began, and how much of it had expired. */
  readonly locks: number
  readonly expiredLocks: number
  readonly seconds: number
  readonly before: WindowResult
  readonly during: WindowResult
}

export interface ChurnResult {
  readonly sessions: number
  readonly touches: number
  readonly pairs: number
  readonly seconds: number
  readonly before: WindowResult
  readonly after: WindowResult
  readonly tablesBefore: readonly TableStatistics[]
  readonly tablesAfter: readonly TableStatistics[]
}

export interface GrowthResult {
  readonly rows: readonly GrowthRow[]
  /** Of the grown tables, by the number of locks. */
  readonly tables: Readonly<Record<string, readonly TableStatistics[]>>
  readonly sweep?: SweepResult
  readonly churn?: ChurnResult
}
