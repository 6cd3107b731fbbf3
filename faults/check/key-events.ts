import type { Mark, Operation } from '../history/operation.ts'
import { answeredUs, type Grant, type Ledger, mayHaveHappened, NEVER } from './ledger.ts'

/** A commit becomes visible on the primary when whoever waits for the standby is cut off. */
const LAST_MOMENTS_US = 500_000

/** What one operation means for one resource. */
export type Effect =
  /** The lock is granted to its session. */
  | {
      readonly kind: 'grant'
      readonly lock: string
      readonly session: string
      readonly token: number
      readonly takesOver: boolean
    }
  /** A takeover of which nothing was seen. */
  | { readonly kind: 'grant unseen' }
  /** The lock is held, and its lease is prolonged. */
  | { readonly kind: 'prolong'; readonly lock: string }
  /** If the session holds the lock, its lease is prolonged. */
  | { readonly kind: 'prolong session'; readonly session: string }
  /** The lock is held, and ends. */
  | { readonly kind: 'end'; readonly lock: string }
  /** If the lock is held, it ends. */
  | { readonly kind: 'end if held'; readonly lock: string }
  | { readonly kind: 'end of session'; readonly session: string }
  /** The lock was seen held. */
  | { readonly kind: 'held'; readonly lock: string }
  /** The resource was seen free. */
  | { readonly kind: 'free' }
  /** This lock was seen not to be held. */
  | { readonly kind: 'not held'; readonly lock: string }
  | { readonly kind: 'session gone'; readonly session: string }

export interface KeyEvent {
  readonly effect: Effect
  readonly sentUs: number
  /** NEVER: nobody knows whether it happened. */
  readonly answeredUs: number
  readonly ttlUs: number
  readonly operation: number
  /** A look that may have shown what a failover took back, since nobody had been promised it. */
  readonly mayBeTakenBack: boolean
}

export interface KeyHistory {
  readonly key: number
  /** They happened; in the order of their sending. */
  readonly certain: readonly KeyEvent[]
  /** They may have happened. */
  readonly possible: readonly KeyEvent[]
}

/** A resource's history out of the ledger. Unknown signs of life and unseen grants are left out: they explain nothing. */
export function keyHistory(ledger: Ledger, key: number): KeyHistory {
  const certain: KeyEvent[] = []
  const possible: KeyEvent[] = []
  const operations = ledger.operationsByKey.get(key) ?? []
  const sessions = new Set(ledger.grantsByKey.get(key)?.map(({ session }) => session))
  const unknown = operations.filter(({ outcome }) => outcome === 'unknown').map(({ sentUs }) => sentUs)
  const firstUnknownUs = Math.min(NEVER, ...unknown)
  for (const operation of operations) {
    const mayBeTakenBack =
      firstUnknownUs < answeredUs(operation) &&
      ledger.history.marks.some(mark => mark.mark === 'failover' && isJustBefore(operation, mark))
    for (const effect of effectsOf(operation, ledger, key)) {
      // it never held a lock here
      if (!('lock' in effect) && 'session' in effect && !sessions.has(effect.session)) continue
      const event: KeyEvent = {
        effect,
        sentUs: operation.sentUs,
        answeredUs: answeredUs(operation),
        ttlUs: (operation.ttlMs ?? 0) * 1000,
        operation: operation.number,
        mayBeTakenBack,
      }
      if (operation.outcome === 'unknown') {
        if (isPossible(effect, ledger)) possible.push(event)
      } else certain.push(event)
    }
  }
  certain.sort((a, b) => a.sentUs - b.sentUs)
  possible.sort((a, b) => a.sentUs - b.sentUs)
  return { key, certain, possible }
}

/** The database's log, where it is known, says of some unknown outcomes that they did not come about. */
function isPossible(effect: Effect, { ended }: Ledger): boolean {
  if (ended === undefined) return true
  if (effect.kind === 'grant unseen') return false
  return effect.kind !== 'end' || ended.has(effect.lock)
}

/** While the primary may show what its standby does not have: the last moments before it is lost. */
function isJustBefore(operation: Operation, { fromUs, toUs }: Mark): boolean {
  return operation.sentUs <= toUs && answeredUs(operation) >= fromUs - LAST_MOMENTS_US
}

function effectsOf(operation: Operation, ledger: Ledger, key: number): readonly Effect[] {
  const { kind, outcome, session, lock, code } = operation
  if (outcome === 'unchanged') return []
  switch (kind) {
    case 'acquire':
    case 'take_over':
      return acquireEffects(operation, ledger, key)
    case 'touch':
      return lock === null ? [] : touchEffects(operation, lock)
    case 'release':
    case 'force_release':
      if (lock === null || ledger.grants.get(lock)?.key !== key) return []
      if (mayHaveHappened(operation)) return [{ kind: 'end', lock }]
      return [{ kind: code === 'forbidden' ? 'held' : 'not held', lock }]
    case 'delete_by_hand':
      return lock === null ? [] : [{ kind: 'end if held', lock }]
    case 'touch_session':
      if (session === null || outcome === 'unknown') return []
      return [{ kind: outcome === 'ok' ? 'prolong session' : 'session gone', session }]
    case 'end_session':
    case 'end_by_hand':
      if (session === null) return []
      return [{ kind: mayHaveHappened(operation) ? 'end of session' : 'session gone', session }]
    case 'look':
      if (outcome === 'unknown') return []
      return [shown(operation, key) ?? { kind: 'free' }]
    default:
      return []
  }
}

function acquireEffects(operation: Operation, ledger: Ledger, key: number): readonly Effect[] {
  const { kind, outcome, session, number, code, seen } = operation
  if (outcome === 'ok') {
    const granted = seen.find(lock => lock.key === key)
    if (granted === undefined) return []
    if (granted.existing) return [{ kind: 'prolong', lock: granted.lock }]
    return [grantOf(granted, kind === 'take_over')]
  }
  if (outcome === 'unknown') {
    const found = ledger.grantsByKey.get(key)?.find(({ by }) => by?.number === number)
    if (found !== undefined) return [grantOf(found, kind === 'take_over')]
    return kind === 'take_over' ? [{ kind: 'grant unseen' }] : []
  }
  if (code === 'lock_conflict') {
    const held = shown(operation, key)
    return held === undefined ? [] : [held]
  }
  const isGone = code === 'session_expired' || code === 'session_not_found'
  return session !== null && isGone ? [{ kind: 'session gone', session }] : []
}

function touchEffects({ outcome, code }: Operation, lock: string): readonly Effect[] {
  if (outcome === 'unknown') return []
  if (outcome === 'ok') return [{ kind: 'prolong', lock }]
  return [{ kind: code === 'forbidden' ? 'held' : 'not held', lock }]
}

function grantOf(
  { lock, session, token }: Pick<Grant, 'lock' | 'session' | 'token'>,
  takesOver: boolean,
): Effect {
  return { kind: 'grant', lock, session, token, takesOver }
}

function shown({ seen }: Operation, key: number): Effect | undefined {
  const lock = seen.find(other => other.key === key)
  return lock && { kind: 'held', lock: lock.lock }
}
