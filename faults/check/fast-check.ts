import type { Operation } from '../history/operation.ts'
import { answeredUs, type Grant, type Ledger, MARGIN_US, mayHaveHappened, NEVER } from './ledger.ts'
import { livenessViolations } from './liveness.ts'
import { logViolations, type Settled } from './log-check.ts'
import type { Rule, Violation } from './violation.ts'

/** How a client knows that it holds: from an answer until the lease may have run out or the end was asked for. */
export interface CertainHold {
  readonly grant: Grant
  readonly fromUs: number
  readonly untilUs: number
}

export interface FastResult {
  readonly violations: readonly Violation[]
  readonly settled: Settled
  /** Pairs that each rule compared. */
  readonly candidates: Readonly<Record<string, number>>
}

/** Codes of refusals that belong to these operations; any other is a fault of the service. */
const KNOWN_CODES = new Set([
  '',
  'no_answer',
  'gave_up',
  'past_deadline',
  'lock_conflict',
  'lock_not_found',
  'session_not_found',
  'session_expired',
  'forbidden',
  'resource_contended',
  'database_unavailable',
  'database_timeout',
  'not_ready',
])

/** Looks at every operation once, or nearly: finds what is certainly wrong, in time that grows with the history. */
export function fastCheck(ledger: Ledger): FastResult {
  const found = new Findings()
  found.violations.push(...ledger.violations)
  checkAnswers(ledger, found)
  for (const [key, grants] of ledger.grantsByKey) {
    const operations = ledger.operationsByKey.get(key) ?? []
    const holds = certainHolds(ledger, grants, operations)
    checkExclusion(key, holds, found)
    checkTokens(key, grants, found)
    checkOldTokens(ledger, key, grants, operations, found)
    checkHolds(ledger, key, holds, operations, found)
  }
  found.violations.push(...livenessViolations(ledger, found.count))
  const { violations, settled } = logViolations(ledger, found.count)
  found.violations.push(...violations)
  return { violations: found.violations, settled, candidates: Object.fromEntries(found.candidates) }
}

class Findings {
  readonly violations: Violation[] = []
  readonly candidates = new Map<string, number>()

  readonly count = (rule: Rule, pairs = 1): void => {
    this.candidates.set(rule, (this.candidates.get(rule) ?? 0) + pairs)
  }

  add(rule: Rule, key: number, what: string, ...operations: readonly (number | undefined)[]): void {
    this.violations.push({ rule, key, what, operations: operations.filter(number => number !== undefined) })
  }
}

/** What can be told from a single answer and the request that it mentions. */
function checkAnswers({ history, grants }: Ledger, found: Findings): void {
  for (const operation of history.operations) {
    const { kind, outcome, code, keys, seen, number, user, lock } = operation
    if (!KNOWN_CODES.has(code)) found.add('unexpected answer', keys[0] ?? -1, `${kind}: ${code}`, number)
    if ((kind === 'acquire' || kind === 'take_over') && outcome === 'ok') {
      found.count('set in part', keys.length > 1 ? 1 : 0)
      const missing = keys.filter(key => !seen.some(granted => granted.key === key))
      if (missing.length > 0) {
        found.add(
          'set in part',
          missing[0] ?? -1,
          `${missing.length} of ${keys.length} were not granted`,
          number,
        )
      }
    }
    if (kind === 'release' && outcome === 'ok' && lock !== null) {
      const holder = grants.get(lock)?.by?.user
      found.count('released by somebody else')
      if (holder !== undefined && holder !== user) {
        found.add('released by somebody else', keys[0] ?? -1, `${user} released a lock of ${holder}`, number)
      }
    }
  }
  for (const { by, key, lock } of grants.values()) {
    if (by === undefined || !by.keys.includes(key)) {
      found.add('granted to nobody', key, `nobody asked for lock ${lock}`)
    } else if (by.outcome === 'refused' || by.outcome === 'unchanged') {
      found.add(
        'not done, yet done',
        key,
        `lock ${lock} exists, but its acquire was answered ${by.code}`,
        by.number,
      )
    }
  }
}

export function certainHolds(
  ledger: Ledger,
  grants: readonly Grant[],
  operations: readonly Operation[],
): readonly CertainHold[] {
  const takeovers = operations.filter(
    operation => operation.kind === 'take_over' && mayHaveHappened(operation),
  )
  const removals = new Map<string, number>()
  for (const operation of operations) {
    const { kind, lock, sentUs } = operation
    const isRemoval = kind === 'release' || kind === 'force_release' || kind === 'delete_by_hand'
    if (lock === null || !isRemoval || !mayHaveHappened(operation)) continue
    removals.set(lock, Math.min(removals.get(lock) ?? NEVER, sentUs))
  }
  const holds: CertainHold[] = []
  for (const grant of grants) {
    const fromUs = grant.acknowledgedUs
    if (fromUs === NEVER) continue
    let untilUs = 0
    for (const { isCertain, sentUs, ttlUs } of ledger.signs.get(grant.session) ?? []) {
      if (isCertain) untilUs = Math.max(untilUs, sentUs + ttlUs - MARGIN_US)
    }
    untilUs = Math.min(untilUs, removals.get(grant.lock) ?? NEVER)
    for (const end of ledger.ends.get(grant.session) ?? []) {
      if (mayHaveHappened(end)) untilUs = Math.min(untilUs, end.sentUs)
    }
    const startUs = grant.by?.sentUs ?? 0
    for (const takeover of takeovers) {
      if (takeover === grant.by || answeredUs(takeover) < startUs) continue
      untilUs = Math.min(untilUs, Math.max(takeover.sentUs, startUs))
    }
    if (untilUs > fromUs) holds.push({ grant, fromUs, untilUs })
  }
  return holds.sort((a, b) => a.fromUs - b.fromUs)
}

function checkExclusion(key: number, holds: readonly CertainHold[], found: Findings): void {
  let last: CertainHold | undefined
  for (const hold of holds) {
    if (last !== undefined) {
      found.count('two holders')
      if (last.untilUs > hold.fromUs) {
        found.add(
          'two holders',
          key,
          `tokens ${last.grant.token} and ${hold.grant.token} were both held for ${inMs(
            Math.min(last.untilUs, hold.untilUs) - hold.fromUs,
          )}`,
          last.grant.by?.number,
          hold.grant.by?.number,
        )
      }
    }
    if (last === undefined || hold.untilUs > last.untilUs) last = hold
  }
}

/** `grants` ascend by token. What was answered before another was asked for has the smaller token. */
function checkTokens(key: number, grants: readonly Grant[], found: Findings): void {
  let earliest: Grant | undefined
  for (let index = grants.length - 1; index >= 0; index -= 1) {
    const grant = grants[index]
    if (grant === undefined) continue
    const next = grants[index + 1]
    if (next !== undefined && next.token === grant.token) {
      found.add(
        'token twice',
        key,
        `token ${grant.token} was granted twice`,
        grant.by?.number,
        next.by?.number,
      )
    }
    if (earliest !== undefined && grant.by !== undefined) {
      found.count('token went back')
      if (grant.by.sentUs > earliest.acknowledgedUs) {
        found.add(
          'token went back',
          key,
          `token ${grant.token} was granted after ${earliest.token} had been answered`,
          earliest.by?.number,
          grant.by.number,
        )
      }
    }
    if (earliest === undefined || grant.acknowledgedUs < earliest.acknowledgedUs) earliest = grant
  }
}

/** Once a later grant was answered, an older one is neither accepted nor shown. */
function checkOldTokens(
  { grants: all }: Ledger,
  key: number,
  grants: readonly Grant[],
  operations: readonly Operation[],
  found: Findings,
): void {
  const higherAnsweredUs = new Map<string, number>()
  let earliestUs = NEVER
  for (const grant of grants.toReversed()) {
    higherAnsweredUs.set(grant.lock, earliestUs)
    earliestUs = Math.min(earliestUs, grant.acknowledgedUs)
  }
  for (const operation of operations) {
    const { kind, lock, outcome, sentUs, number } = operation
    const isWrite = kind === 'touch' || kind === 'release' || kind === 'force_release'
    if (lock !== null && outcome === 'ok' && isWrite && all.get(lock)?.key === key) {
      found.count('late write accepted')
      if (sentUs > (higherAnsweredUs.get(lock) ?? NEVER)) {
        found.add('late write accepted', key, `${kind} of lock ${lock}, which had been replaced`, number)
      }
    }
    for (const seen of operation.seen) {
      if (seen.key !== key) continue
      found.count('stale read')
      if (sentUs > (higherAnsweredUs.get(seen.lock) ?? NEVER)) {
        found.add('stale read', key, `${kind} showed lock ${seen.lock}, which had been replaced`, number)
      }
    }
  }
}

/** What happens wholly within a certain hold has to be of it. */
function checkHolds(
  ledger: Ledger,
  key: number,
  holds: readonly CertainHold[],
  operations: readonly Operation[],
  found: Findings,
): void {
  const sorted = operations.toSorted((a, b) => a.sentUs - b.sentUs)
  let first = 0
  for (const { grant, fromUs, untilUs } of holds) {
    while ((sorted[first]?.sentUs ?? NEVER) < fromUs) first += 1
    for (let index = first; index < sorted.length; index += 1) {
      const operation = sorted[index]
      if (operation === undefined || operation.sentUs >= untilUs) break
      if (answeredUs(operation) > untilUs) continue
      found.count('grant lost')
      const denial = denies(operation, grant, key) ?? overlooks(ledger, operation, grant, key)
      if (denial !== undefined) {
        found.add(
          'grant lost',
          key,
          `token ${grant.token} was held for another ${inMs(untilUs - answeredUs(operation))}, but ${denial}`,
          grant.by?.number,
          operation.number,
        )
      }
    }
  }
}

function denies(operation: Operation, grant: Grant, key: number): string | undefined {
  const { kind, lock, session, outcome, code, seen } = operation
  const shown = seen.find(other => other.key === key)
  if (shown !== undefined && shown.lock !== grant.lock) return `${kind} showed token ${shown.token}`
  if (outcome !== 'refused') return undefined
  if (lock === grant.lock && code === 'lock_not_found' && !isStrangersRelease(operation, grant)) {
    return `its ${kind} was refused`
  }
  if (session === grant.session && (code === 'session_expired' || code === 'session_not_found')) {
    return `its ${kind} was refused`
  }
  return undefined
}

/** Refused because the lock is another's. What it is told of that lock then comes from a look, which waits for nobody. */
function isStrangersRelease({ kind, user, lock }: Operation, { by, lock: held }: Grant): boolean {
  return kind === 'release' && lock === held && user !== by?.user
}

/**
 * An answer without the lock, which changes nothing. While a touch is under way the lease that it prolongs can end:
 * whoever looks then sees it as run out. Only what had been answered before counts here.
 */
function overlooks(ledger: Ledger, operation: Operation, grant: Grant, key: number): string | undefined {
  const { kind, session, code, seen, keys } = operation
  const isLook = code === 'lock_not_found' && (kind === 'look' || isStrangersRelease(operation, grant))
  const isList = kind === 'acquire' && session === null && code === 'lock_conflict' && keys.includes(key)
  if (!isLook && !(isList && !seen.some(other => other.key === key))) return undefined
  const knownUntilUs = (ledger.signs.get(grant.session) ?? [])
    .filter(sign => sign.isCertain && sign.answeredUs <= operation.sentUs)
    .reduce((latest, { sentUs, ttlUs }) => Math.max(latest, sentUs + ttlUs - MARGIN_US), 0)
  if (answeredUs(operation) > knownUntilUs) return undefined
  return isLook ? `a ${kind} found it free` : 'a conflict did not list it'
}

export function inMs(us: number): string {
  return us === NEVER ? 'ever' : `${(us / 1000).toFixed(1)} ms`
}
