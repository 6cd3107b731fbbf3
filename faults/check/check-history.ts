import type { History } from '../history/history-file.ts'
import { fastCheck } from './fast-check.ts'
import { keyHistory } from './key-events.ts'
import { ledgerOf } from './ledger.ts'
import { searchOrder } from './linearizability.ts'
import type { Verdict, Violation } from './violation.ts'

export interface CheckOptions {
  /** For all searches together, in ms. Resources that are left then are counted as undecided. */
  readonly budgetMs: number
  /** For one resource. */
  readonly maxSteps: number
}

export const CHECK_DEFAULTS: CheckOptions = { budgetMs: 60_000, maxSteps: 2_000_000 }

function holeOf({ marks }: History): string | undefined {
  return marks.find(({ mark }) => mark === 'log')?.what
}

/** Judges a history: every operation by the fast rules, and the order of each resource's by search. */
export function checkHistory(history: History, options: CheckOptions = CHECK_DEFAULTS): Verdict {
  const started = performance.now()
  const ledger = ledgerOf(history)
  const fast = fastCheck(ledger)
  const violations: Violation[] = [...fast.violations]
  let [exactKeys, exactEvents, exactUndecided, takenBack] = [0, 0, 0, 0]
  for (const key of [...ledger.operationsByKey.keys()].sort((a, b) => a - b)) {
    if (performance.now() - started > options.budgetMs) {
      exactUndecided += 1
      continue
    }
    const events = keyHistory(ledger, key)
    const result = searchOrder(events, options.maxSteps)
    takenBack += result.takenBack
    exactKeys += 1
    exactEvents += events.certain.length + events.possible.length
    if (result.kind === 'undecided') exactUndecided += 1
    if (result.kind === 'violated') {
      violations.push({
        rule: 'not linearizable',
        key,
        what: `no order explains more than ${result.explained} of ${events.certain.length} events`,
        operations: result.stuckAt === undefined ? [] : [result.stuckAt.operation],
      })
    }
  }
  return {
    violations,
    counts: {
      operations: history.operations.length,
      grants: ledger.grants.size,
      keys: ledger.operationsByKey.size,
      candidates: fast.candidates,
      exactKeys,
      exactEvents,
      exactUndecided,
      takenBack,
      settled: fast.settled,
      logHole: history.log === undefined ? (holeOf(history) ?? 'there is none') : undefined,
      milliseconds: performance.now() - started,
    },
  }
}
