import type { Principal } from '../locks/api-key.ts'
import { Refusal } from '../locks/errors.ts'
import type { KeyService } from '../locks/key-service.ts'

/** Both ways to show a key. One header field each, since some clients read only the first challenge of a field. */
export const CHALLENGES: readonly string[] = [
  'Bearer realm="leasehold"',
  'Basic realm="leasehold", charset="UTF-8"',
]

/** What a client showed to say who it is. */
export interface Credentials {
  readonly key: string
  /** With Basic: whom the client claims to be. */
  readonly user: string | undefined
}

/** Keys that operators choose may have any visible character. */
const AUTHORIZATION = /^([A-Za-z]+) +([\x21-\x7e]+)$/
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const EXACT_UTF8 = new TextDecoder('utf-8', { fatal: true })

/** Undefined: the header is missing or malformed. */
export function readCredentials(authorization: string | undefined): Credentials | undefined {
  const [, scheme, token] = AUTHORIZATION.exec(authorization ?? '') ?? []
  if (scheme === undefined || token === undefined) return undefined
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return { key: token, user: undefined }
    case 'basic':
      return readBasic(token)
    default:
      return undefined
  }
}

function readBasic(token: string): Credentials | undefined {
  if (!BASE64.test(token)) return undefined
  let text: string
  try {
    text = EXACT_UTF8.decode(Buffer.from(token, 'base64'))
  } catch {
    return undefined
  }
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { user: text.slice(0, colon), key: text.slice(colon + 1) }
}

/**
 * The principal of a key in force. With Basic the user must be the key's own, so that a script with somebody
 * else's key in it fails instead of locking under another name than it believes. `origin`: of client-address.ts.
 */
export async function authenticate(
  keys: KeyService,
  authorization: string | undefined,
  origin: string,
): Promise<Principal> {
  const credentials = readCredentials(authorization)
  if (credentials === undefined) {
    return refuse(
      authorization === undefined
        ? 'send a key: `Authorization: Bearer <key>`, or Basic with user and key'
        : 'the Authorization header is malformed: send `Bearer <key>`, or Basic with user and key',
    )
  }
  const principal = await keys.authenticate(credentials.key, origin)
  if (principal === undefined || (credentials.user !== undefined && credentials.user !== principal.user)) {
    return refuse('the key is not in force, or belongs to another user than the one named')
  }
  return principal
}

function refuse(message: string): never {
  throw new Refusal('unauthenticated', message, {
    fields: [{ field: 'header Authorization', message: 'holds no valid key' }],
  })
}
