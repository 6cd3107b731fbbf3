import type { History } from '../history/history-file.ts'
import { type Operation, type SeenLock, US_PER_MS } from '../history/operation.ts'
import type { Violation } from './violation.ts'

/**
 * The harness's clock is monotonic, the database's is not: it is slewed by up to 0.5 ms a second, and rounds. So much
 * is taken off each lease.
 */
export const MARGIN_US = 50 * US_PER_MS

export const NEVER = Number.POSITIVE_INFINITY

/** A grant, with what was seen of it. */
export interface Grant {
  readonly lock: string
  readonly key: number
  readonly token: number
  readonly session: string
  /** The acquire that brought it about. */
  readonly by: Operation | undefined
  /** From when on it certainly was there: the first answer to a write that names it. */
  acknowledgedUs: number
  /** The first answer of any kind that showed it. */
  shownUs: number
}

/** A sign of life of a session. */
export interface Sign {
  readonly sentUs: number
  readonly answeredUs: number
  readonly ttlUs: number
  /** Whether it was answered that it was one. */
  readonly isCertain: boolean
  readonly operation: number
}

/** A history by what it is about. */
export interface Ledger {
  readonly history: History
  readonly operations: ReadonlyMap<number, Operation>
  readonly grants: ReadonlyMap<string, Grant>
  readonly grantsByKey: ReadonlyMap<number, readonly Grant[]>
  readonly operationsByKey: ReadonlyMap<number, readonly Operation[]>
  /** Locks that the database's log says have ended; undefined where it is not known. */
  readonly ended: ReadonlySet<string> | undefined
  readonly signs: ReadonlyMap<string, readonly Sign[]>
  /** Operations that may have ended a session. */
  readonly ends: ReadonlyMap<string, readonly Operation[]>
  readonly violations: readonly Violation[]
}

/** When it was over at the latest. What is unknown may still happen, whatever was answered. */
export function answeredUs({ answeredUs, outcome }: Operation): number {
  return outcome === 'unknown' ? NEVER : (answeredUs ?? NEVER)
}

/** It happened, or may have. */
export function mayHaveHappened({ outcome }: Operation): boolean {
  return outcome === 'ok' || outcome === 'unknown'
}

export function ledgerOf(history: History): Ledger {
  const operations = new Map(history.operations.map(operation => [operation.number, operation]))
  const grants = new Map<string, Grant>()
  const violations: Violation[] = []
  for (const operation of history.operations) {
    for (const seen of operation.seen) note(operation, seen, operations, grants, violations)
  }
  for (const entry of history.log ?? []) {
    if (entry.log !== 'grant' || entry.namespace !== history.header.namespace || grants.has(entry.lock))
      continue
    grants.set(entry.lock, { ...entry, by: operations.get(entry.by), acknowledgedUs: NEVER, shownUs: NEVER })
  }
  const keysOfSession = new Map<string, Set<number>>()
  for (const { session, key } of grants.values()) {
    keysOfSession.set(session, (keysOfSession.get(session) ?? new Set()).add(key))
  }
  const operationsByKey = new Map<number, Operation[]>()
  const grantsBy = new Map(
    [...grants.values()].flatMap(grant => (grant.by ? [[grant.by.number, grant]] : [])),
  )
  const ttls = ttlsOf(history.operations)
  const signs = new Map<string, Sign[]>()
  const ends = new Map<string, Operation[]>()
  for (const operation of history.operations) {
    const { kind, session } = operation
    const isOfSession = kind === 'touch_session' || kind === 'end_session' || kind === 'end_by_hand'
    // whoever asks does not know all that the session holds
    const keys = isOfSession ? (keysOfSession.get(session ?? '') ?? []) : operation.keys
    for (const key of keys) push(operationsByKey, key, operation)
    if (session !== null && (kind === 'end_session' || kind === 'end_by_hand')) push(ends, session, operation)
    const alive = sessionOf(operation, grants, grantsBy)
    if (alive !== undefined) {
      push(signs, alive, {
        sentUs: operation.sentUs,
        answeredUs: answeredUs(operation),
        isCertain: operation.outcome === 'ok',
        ttlUs: (operation.ttlMs ?? ttls.get(alive) ?? 0) * US_PER_MS,
        operation: operation.number,
      })
    }
  }
  const grantsByKey = new Map<number, Grant[]>()
  for (const grant of grants.values()) push(grantsByKey, grant.key, grant)
  for (const list of grantsByKey.values()) list.sort((a, b) => a.token - b.token)
  const ended = history.log && new Set(history.log.filter(({ log }) => log === 'end').map(({ lock }) => lock))
  return { history, operations, grants, grantsByKey, operationsByKey, ended, signs, ends, violations }
}

function note(
  operation: Operation,
  seen: SeenLock,
  operations: ReadonlyMap<number, Operation>,
  grants: Map<string, Grant>,
  violations: Violation[],
): void {
  const shownUs = answeredUs(operation)
  const acknowledgedUs = operation.outcome === 'ok' && operation.kind !== 'look' ? shownUs : NEVER
  const known = grants.get(seen.lock)
  if (known === undefined) {
    grants.set(seen.lock, { ...seen, by: operations.get(seen.by), acknowledgedUs, shownUs })
    return
  }
  known.acknowledgedUs = Math.min(known.acknowledgedUs, acknowledgedUs)
  known.shownUs = Math.min(known.shownUs, shownUs)
  const isSame = known.token === seen.token && known.key === seen.key && known.session === seen.session
  if (isSame) return
  violations.push({
    rule: 'one lock, two faces',
    key: seen.key,
    what: `lock ${seen.lock} was shown with token ${known.token} and with ${seen.token}`,
    operations: [operation.number],
  })
}

/** Which session an operation is a sign of life of, or may be. */
function sessionOf(
  operation: Operation,
  grants: ReadonlyMap<string, Grant>,
  grantsBy: ReadonlyMap<number, Grant>,
): string | undefined {
  const { kind, session, lock, seen, outcome } = operation
  // an acquire that was not granted may have touched the session that it names, in an earlier one of its tries too
  if (kind !== 'acquire' && !mayHaveHappened(operation)) return undefined
  switch (kind) {
    case 'acquire':
    case 'take_over':
      return session ?? (outcome === 'ok' ? seen[0] : grantsBy.get(operation.number))?.session
    case 'touch':
      return lock === null ? undefined : grants.get(lock)?.session
    case 'touch_session':
    case 'start_session':
      return session ?? undefined
    default:
      return undefined
  }
}

/** Of the sessions that clients named, in ms. */
function ttlsOf(operations: readonly Operation[]): ReadonlyMap<string, number> {
  const ttls = new Map<string, number>()
  for (const { session, ttlMs, kind } of operations) {
    if (session !== null && ttlMs !== null && kind !== 'touch_session') ttls.set(session, ttlMs)
  }
  return ttls
}

export function push<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
