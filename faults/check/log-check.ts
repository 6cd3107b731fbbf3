import type { LogEntry, Operation } from '../history/operation.ts'
import type { Ledger } from './ledger.ts'
import type { Rule, Violation } from './violation.ts'

type LoggedGrant = Extract<LogEntry, { log: 'grant' }>

/** What the database's log decides of acquires whose outcome nobody knew. */
export interface Settled {
  readonly granted: number
  readonly notGranted: number
}

/** Compares what was answered with what was committed. Without a whole log there is nothing to compare. */
export function logViolations(
  { history, grants, operations }: Ledger,
  count: (rule: Rule) => void,
): { readonly violations: readonly Violation[]; readonly settled: Settled } {
  const settled = { granted: 0, notGranted: 0 }
  if (history.log === undefined) return { violations: [], settled }
  const logged = history.log.filter(
    (entry): entry is LoggedGrant => entry.log === 'grant' && entry.namespace === history.header.namespace,
  )
  const violations: Violation[] = [...orderViolations(history.log, logged, count)]
  const add = (rule: Rule, key: number, what: string, ...numbers: readonly number[]) =>
    violations.push({ rule, key, what, operations: numbers })

  const known = new Set(logged.map(({ lock }) => lock))
  for (const { acknowledgedUs, lock, key, token, by } of grants.values()) {
    if (acknowledgedUs === Number.POSITIVE_INFINITY) continue
    count('grant lost')
    if (!known.has(lock)) {
      add(
        'grant lost',
        key,
        `token ${token} was answered, but the database's log has no such grant`,
        by?.number ?? -1,
      )
    }
  }
  const byOperation = new Map<number, LoggedGrant[]>()
  for (const grant of logged) {
    byOperation.set(grant.by, [...(byOperation.get(grant.by) ?? []), grant])
    const operation = operations.get(grant.by)
    if (operation === undefined || !operation.keys.includes(grant.key)) {
      add('granted to nobody', grant.key, `nobody asked for lock ${grant.lock}, which the database's log has`)
    } else if (operation.outcome === 'refused' || operation.outcome === 'unchanged') {
      add(
        'not done, yet done',
        grant.key,
        `the database's log has lock ${grant.lock}, but its acquire was answered ${operation.code}`,
        operation.number,
      )
    }
  }
  for (const operation of operations.values()) {
    if (operation.kind !== 'acquire' && operation.kind !== 'take_over') continue
    const own = byOperation.get(operation.number)?.length ?? 0
    if (operation.outcome === 'unknown') {
      if (own > 0) settled.granted += 1
      else settled.notGranted += 1
    }
    const wanted = wantedGrants(operation)
    if (wanted === undefined || own === 0) continue
    count('set in part')
    if (own !== wanted) {
      const what = `the database's log has ${own} of the ${wanted} locks of a set`
      add('set in part', operation.keys[0] ?? -1, what, operation.number)
    }
  }
  return { violations, settled }
}

/** How many locks an acquire has to have brought about if it brought about any. Undefined: that depends. */
function wantedGrants({ keys, outcome, seen, session }: Operation): number | undefined {
  if (outcome === 'ok') return seen.filter(({ existing }) => !existing).length
  // under a session that was named before, some of the set may have been held already
  return outcome === 'unknown' && session === null ? keys.length : undefined
}

/** In the order of commits a resource's tokens grow, and nothing is granted before what was granted before has ended. */
function* orderViolations(
  log: readonly LogEntry[],
  logged: readonly LoggedGrant[],
  count: (rule: Rule) => void,
): Iterable<Violation> {
  const ours = new Map(logged.map(grant => [grant.lock, grant]))
  const last = new Map<number, LoggedGrant>()
  const held = new Map<number, LoggedGrant>()
  for (const entry of log) {
    const grant = ours.get(entry.lock)
    if (grant === undefined) continue
    const { key } = grant
    if (entry.log === 'end') {
      if (held.get(key) === grant) held.delete(key)
      continue
    }
    count('token went back')
    const before = last.get(key)
    if (before !== undefined && before.token >= grant.token) {
      const what = `the database's log has token ${grant.token} after ${before.token}`
      yield { rule: 'token went back', key, what, operations: [before.by, grant.by] }
    }
    const holder = held.get(key)
    if (holder !== undefined) {
      const what = `the database's log has lock ${grant.lock} granted while lock ${holder.lock} was there`
      yield { rule: 'two holders', key, what, operations: [holder.by, grant.by] }
    }
    last.set(key, grant)
    held.set(key, grant)
  }
}
