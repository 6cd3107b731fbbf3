/** What can be found. The numbers are those of the promises in docs/guarantees.md, where there is one. */
export type Rule =
  | 'two holders'
  | 'token went back'
  | 'token twice'
  | 'one lock, two faces'
  | 'late write accepted'
  | 'grant lost'
  | 'stale read'
  | 'granted again'
  | 'revived'
  | 'outlived its ttl'
  | 'set in part'
  | 'not done, yet done'
  | 'released by somebody else'
  | 'granted to nobody'
  | 'unexpected answer'
  | 'not linearizable'

export interface Violation {
  readonly rule: Rule
  readonly key: number
  readonly what: string
  /** Numbers of the operations that show it. */
  readonly operations: readonly number[]
}

export interface CheckCounts {
  readonly operations: number
  readonly grants: number
  readonly keys: number
  /** Pairs that a rule compared: none would mean that it checked nothing. */
  readonly candidates: Readonly<Record<string, number>>
  readonly exactKeys: number
  readonly exactEvents: number
  /** Keys that the exact search had no time for. */
  readonly exactUndecided: number
  /** Answers to looks that a failover took back together with what they showed. */
  readonly takenBack: number
  /** Acquires of unknown outcome that the database's log decided. */
  readonly settled: { readonly granted: number; readonly notGranted: number }
  /** Why the database's log was not there as a whole; undefined: it was. */
  readonly logHole: string | undefined
  readonly milliseconds: number
}

export interface Verdict {
  readonly violations: readonly Violation[]
  readonly counts: CheckCounts
}
