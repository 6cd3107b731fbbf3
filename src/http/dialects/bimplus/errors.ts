import type { ErrorPresenter } from '../../problem.ts'
import type { Reply } from '../../route.ts'

/** The scheme of the Authorization header, and what tokens are called where they are handed out. */
export const TOKEN_TYPE = 'BimPlus'

/** The one phrase that the vendor documents; clients compare it. */
const ALREADY_LOCKED = 'Object already locked'

/** The vendor documents JSON everywhere and no shape for errors: a message is all that is told. */
export const presentBimplusError: ErrorPresenter = ({ code, status, detail }) => ({
  status,
  ...(code === 'unauthenticated' && { headers: { 'WWW-Authenticate': `${TOKEN_TYPE} realm="leasehold"` } }),
  body: { message: detail },
})

/**
 * Refused because somebody else holds a lock in the way. It tells nothing else: whoever wants to know more looks at
 * the locks. Plain text, as the vendor's client hands it on unparsed, unless the caller would have JSON first.
 */
export function alreadyLocked(accept: string | undefined): Reply {
  return /^\s*application\/json\s*(?:[;,]|$)/i.test(accept ?? '')
    ? { status: 403, body: { message: ALREADY_LOCKED } }
    : { status: 403, type: 'text/plain; charset=utf-8', body: ALREADY_LOCKED }
}
