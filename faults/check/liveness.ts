import { answeredUs, type Ledger, MARGIN_US, NEVER, type Sign } from './ledger.ts'
import type { Rule, Violation } from './violation.ts'

/**
 * Sessions that live although they must have expired: all their signs of life are too old, even if each came about
 * as late as it can have.
 */
export function livenessViolations(
  { history, grants, signs, ends, operations }: Ledger,
  count: (rule: Rule) => void,
): readonly Violation[] {
  const violations: Violation[] = []
  for (const [session, all] of signs) {
    for (const sign of all) {
      if (!sign.isCertain || operations.get(sign.operation)?.kind === 'start_session') continue
      const others = all.filter(other => other.operation !== sign.operation)
      const deadUs = latestEndUs(others, sign.answeredUs)
      // the first sign of all made the session
      if (deadUs === undefined) continue
      count('revived')
      if (sign.sentUs > deadUs) {
        violations.push({
          rule: 'revived',
          key: operations.get(sign.operation)?.keys[0] ?? -1,
          what: `a session that had expired ${((sign.sentUs - deadUs) / 1000).toFixed(1)} ms earlier was touched`,
          operations: [sign.operation],
        })
      }
    }
    for (const end of ends.get(session) ?? []) {
      if (end.outcome !== 'ok' || end.answeredUs === null) continue
      for (const sign of all) {
        const operation = operations.get(sign.operation)
        count('granted again')
        if (!sign.isCertain || sign.sentUs <= end.answeredUs) continue
        violations.push({
          rule: 'granted again',
          key: operation?.keys[0] ?? -1,
          what: `a session that had been ended was accepted by ${operation?.kind}`,
          operations: [end.number, sign.operation],
        })
      }
    }
  }
  for (const operation of history.operations) {
    for (const seen of operation.seen) {
      if (operation.kind !== 'look' && operation.outcome !== 'refused') continue
      const session = grants.get(seen.lock)?.session
      const deadUs = latestEndUs(signs.get(session ?? '') ?? [], answeredUs(operation))
      if (deadUs === undefined) continue
      count('outlived its ttl')
      if (operation.sentUs > deadUs) {
        violations.push({
          rule: 'outlived its ttl',
          key: seen.key,
          what: `token ${seen.token} was shown ${((operation.sentUs - deadUs) / 1000).toFixed(1)} ms after it had expired`,
          operations: [operation.number],
        })
      }
    }
  }
  return violations
}

/** When the session is dead at the latest, by the signs that were sent until then. Undefined: there are none. */
function latestEndUs(signs: readonly Sign[], untilUs: number): number | undefined {
  let latest: number | undefined
  for (const { sentUs, answeredUs, ttlUs } of signs) {
    if (sentUs >= untilUs) continue
    latest = Math.max(latest ?? 0, answeredUs === NEVER ? NEVER : answeredUs + ttlUs + MARGIN_US)
  }
  return latest
}
