import { randomBytes } from 'node:crypto'

/** What a sign-in hands out. The two together are the secret of the session. */
export interface AccessToken {
  /** 32 characters, as the vendor's have; 128 random bits. */
  readonly token: string
  /** 16 characters; 64 random bits. */
  readonly secret: string
}

/** Of the answers to those who are not signed in, and as long as the vendor's. */
const PAS = /^PAS +[^:\s]*:([0-9a-f]{32}):([0-9a-f]{16})$/i

export function newAccessToken(): AccessToken {
  return { token: randomBytes(16).toString('hex'), secret: randomBytes(8).toString('hex') }
}

/** The session's secret, as it is looked up. */
export function sessionSecret({ token, secret }: AccessToken): string {
  return `${token}:${secret}`
}

/**
 * What `PAS {siteDomain}:{token}:{secret}` shows; undefined where the header is none of these. The site is not
 * compared: sign-ins are not told one.
 */
export function readAccessToken(authorization: string | undefined): AccessToken | undefined {
  const [, token, secret] = PAS.exec(authorization ?? '') ?? []
  return token === undefined || secret === undefined ? undefined : { token, secret }
}
