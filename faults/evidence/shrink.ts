import { type CheckOptions, checkHistory } from '../check/check-history.ts'
import { ledgerOf } from '../check/ledger.ts'
import type { Violation } from '../check/violation.ts'
import type { History } from '../history/history-file.ts'
import type { LogEntry, Operation } from '../history/operation.ts'

const OPTIONS: CheckOptions = { budgetMs: 5000, maxSteps: 20_000 }
/** Checks that are tried at most. */
const TRIES = 4000

/** Operations that stand or fall together: leaving out only some of them would accuse the others. */
type Family = readonly Operation[]

/**
 * The shortest piece of a history found that still breaks the rule. First whole grants go, with all that was done to
 * them, then what changed nothing.
 */
export function shortestPiece(history: History, violation: Violation): History {
  const { key, rule } = violation
  const operations = (ledgerOf(history).operationsByKey.get(key) ?? []).map(operation =>
    onlyAbout(operation, key),
  )
  const log = history.log && logAbout(history.log, key)
  let tries = 0
  const isStillWrong = (kept: readonly Operation[]): boolean => {
    tries += 1
    const { violations } = checkHistory({ ...history, log, operations: kept }, OPTIONS)
    return violations.some(other => other.rule === rule && other.key === key)
  }
  // some rules are about more than one resource
  if (!isStillWrong(operations)) return { ...history, operations: named(history, violation) }
  const enough = () => tries > TRIES
  const grants = without(familiesOf(operations), families => isStillWrong(families.flat()), enough)
  const left = grants.flat().sort((a, b) => a.sentUs - b.sentUs)
  const needed = left.filter(operation => !changesNothing(operation))
  const others = left.filter(changesNothing)
  const looks = without(others, kept => isStillWrong([...needed, ...kept]), enough)
  return { ...history, operations: [...needed, ...looks].sort((a, b) => a.sentUs - b.sentUs) }
}

function named({ operations }: History, violation: Violation): readonly Operation[] {
  return operations.filter(({ number }) => violation.operations.includes(number))
}

function onlyAbout(operation: Operation, key: number): Operation {
  return { ...operation, keys: [key], seen: operation.seen.filter(seen => seen.key === key) }
}

/** Of a round's whole log each try would be as slow as the first. */
function logAbout(log: readonly LogEntry[], key: number): readonly LogEntry[] {
  const locks = new Set(
    log.flatMap(entry => (entry.log === 'grant' && entry.key === key ? [entry.lock] : [])),
  )
  return log.filter(({ lock }) => locks.has(lock))
}

/** Leaves out as many as possible, many at a time at first. */
function without<Item>(
  items: readonly Item[],
  isStillWrong: (kept: readonly Item[]) => boolean,
  isEnough: () => boolean,
): readonly Item[] {
  let kept = items
  for (let size = Math.ceil(items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length && !isEnough(); ) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)]
      if (isStillWrong(fewer)) kept = fewer
      else at += size
    }
  }
  return kept
}

/** By sessions; one that was taken over goes with the one that took over. */
function familiesOf(operations: readonly Operation[]): readonly Family[] {
  const sessions = new Map<string, string>()
  for (const { seen } of operations) for (const { lock, session } of seen) sessions.set(lock, session)
  const families = new Map<string, Operation[]>()
  let last = ''
  for (const operation of operations.toSorted((a, b) => a.sentUs - b.sentUs)) {
    const { kind, session, lock, seen, number } = operation
    const own = session ?? (lock === null ? undefined : sessions.get(lock)) ?? seen[0]?.session
    let name = own ?? `${number}`
    if (kind === 'take_over' && last !== '') {
      const taker = seen[0]?.session ?? name
      for (const [id, owner] of sessions) if (owner === taker) sessions.set(id, last)
      name = last
    }
    if (kind === 'acquire' && operation.outcome === 'ok') last = name
    families.set(name, [...(families.get(name) ?? []), operation])
  }
  return [...families.values()]
}

function changesNothing({ kind, outcome }: Operation): boolean {
  return (
    kind === 'look' ||
    outcome === 'refused' ||
    ((kind === 'touch' || kind === 'touch_session') && outcome === 'ok')
  )
}
