import type { Principal } from '../locks/api-key.ts'
import { Refusal } from '../locks/errors.ts'
import type { AppServices } from './services.ts'

/**
 * Counts a request for its key, and refuses it where the key has come too often. Sign-ins count for the key that they
 * were made with.
 */
export function requireRate({ keyRates }: Pick<AppServices, 'keyRates'>, { keyId }: Principal): void {
  if (keyRates === undefined) return
  const waitMs = keyRates.take(keyId)
  if (waitMs === 0) return
  throw new Refusal('rate_limited', 'this key has sent too many requests; nothing was done', {
    retryAfterSeconds: waitMs / 1000,
  })
}
