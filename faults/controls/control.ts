import type { Rule } from '../check/violation.ts'

/** A text of the compiled service that stands for a guard, and what a mutant has instead. */
export interface Replacement {
  /** Below build/src. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** The service, or its database, without one of its guards: a run that does not notice is worth nothing. */
export interface Control {
  readonly name: string
  /** What is wrong, in words: `the service ...` */
  readonly what: string
  readonly replacements?: readonly Replacement[]
  /** Statements for the service's schema, after its migrations. */
  readonly sql?: readonly string[]
  readonly serviceSettings?: Readonly<Record<string, string>>
  readonly databaseSettings?: Readonly<Record<string, string>>
  readonly topology: 'pair' | 'single'
  /** The standby is there, but no commit waits for it. */
  readonly isAsynchronous?: boolean
  /** The kinds or lanes of faults that bring it to light. */
  readonly faults: readonly string[]
  readonly faultsPerMinute?: number
  readonly keys?: number
  readonly clients?: number
  /** The share of short leases that their holders keep alive by late touches, instead of the usual one. */
  readonly lateTouches?: number
  /** By which of these it shows. */
  readonly shows: readonly Rule[]
}
