/** The cookies of the vendor, by their names on the wire. */
export const SIGN_IN_COOKIE = 'LWSSO_COOKIE_KEY'
export const SITE_SESSION_COOKIE = 'QCSession'
const USER_COOKIE = 'ALM_USER'
const XSRF_COOKIE = 'XSRF-TOKEN'

/**
 * The cookies of a request. Names that begin with a dollar sign are attributes in the manner of RFC 2109, which
 * the vendor's Java clients send. Of two with one name the first counts: it is the one with the longer path.
 */
export function readCookies(header: string | undefined): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>()
  for (const pair of header?.split(';') ?? []) {
    const equals = pair.indexOf('=')
    if (equals === -1) continue
    const name = pair.slice(0, equals).trim()
    const value = pair
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1')
    if (name.startsWith('$') || value === '' || cookies.has(name)) continue
    cookies.set(name, value)
  }
  return cookies
}

/** Set-Cookie fields, written as the vendor writes them. */
export function signInCookie(value: string): string {
  return `${SIGN_IN_COOKIE}=${value};Path=/;HTTPOnly`
}

export function siteSessionCookie(value: string): string {
  return `${SITE_SESSION_COOKIE}=${value};Path=/;HTTPOnly`
}

/** Scripts read it to say who is signed in; nothing here does. A name may have any character, so it is escaped. */
export function userCookie(user: string): string {
  return `${USER_COOKIE}=${encodeURIComponent(user)};Path=/`
}

/** Not HttpOnly: scripts of the page are to send it back in a header. */
export function xsrfCookie(token: string): string {
  return `${XSRF_COOKIE}=${token};Path=/`
}

export function expiredCookie(name: string): string {
  return `${name}=""; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/`
}
