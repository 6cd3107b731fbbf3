import type { AcquireOutcome } from '../locks/acquire.ts'
import type { Principal } from '../locks/api-key.ts'
import { Refusal } from '../locks/errors.ts'
import type { AcquireInput } from '../locks/lock-service.ts'
import { sessionExpired, sessionForbidden, sessionNotFound } from '../locks/session-service.ts'
import type { AcquireResult } from './metrics.ts'
import type { AppServices } from './services.ts'

/** How soon a contended acquire is worth repeating: the others need milliseconds. */
const CONTENDED_RETRY_SECONDS = 1

/** What an acquire can come to that each API words in its own way. */
export type AcquireAnswer = Exclude<
  AcquireOutcome,
  { kind: 'session_expired' | 'session_not_found' | 'session_forbidden' | 'contended' }
>

/** The same for an acquire of the named resources alone. */
export type PlainAnswer = Exclude<AcquireAnswer, { kind: 'selection_has_no_children' | 'too_many_resources' }>

/** Acquires, counts what it came to, and throws the refusals that are no matter of the resources. */
export function acquireLocks(
  services: Pick<AppServices, 'locks' | 'metrics'>,
  principal: Principal,
  input: AcquireInput & { readonly expand?: undefined },
): Promise<PlainAnswer>
export function acquireLocks(
  services: Pick<AppServices, 'locks' | 'metrics'>,
  principal: Principal,
  input: AcquireInput,
): Promise<AcquireAnswer>
export async function acquireLocks(
  { locks, metrics }: Pick<AppServices, 'locks' | 'metrics'>,
  principal: Principal,
  input: AcquireInput,
): Promise<AcquireAnswer> {
  const outcome = await locks.acquire(principal, input)
  metrics.countAcquire(resultOf(outcome))
  const session = input.sessionId ?? ''
  switch (outcome.kind) {
    case 'session_expired':
      return sessionExpired(session)
    case 'session_not_found':
      return sessionNotFound(session)
    case 'session_forbidden':
      return sessionForbidden(session)
    case 'contended':
      throw new Refusal(
        'resource_contended',
        'others are at work on the same resources, so nothing is known of them; try again',
        { retryAfterSeconds: CONTENDED_RETRY_SECONDS },
      )
    default:
      return outcome
  }
}

function resultOf(outcome: AcquireOutcome): AcquireResult {
  if (outcome.kind !== 'granted') return outcome.kind
  return outcome.existingCount === outcome.count ? 'existing' : 'granted'
}
