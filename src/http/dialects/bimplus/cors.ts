import type { WireRoute } from '../../wire-route.ts'

/**
 * Any page may call: who somebody is comes from the Authorization header alone, which no browser adds by itself, so
 * a page can do nothing here that its owner could not do from a machine of their own. Naming single origins would
 * protect nothing and keep out viewers that customers host themselves.
 */
export const CORS_HEADERS: Readonly<Record<string, string>> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Retry-After, Leasehold-Truncated',
}

const PREFLIGHT_HEADERS: Readonly<Record<string, string>> = {
  'Access-Control-Allow-Methods': 'GET, PUT, POST, DELETE',
  // a * would not stand for Authorization
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Cache-Control, If-None-Match',
  // two hours, the most that any browser keeps it for
  'Access-Control-Max-Age': '7200',
}

/** What browsers ask before the calls themselves, once for each path; they send no credentials with it. */
export function preflightOf(routes: readonly WireRoute[]): readonly WireRoute[] {
  return [...new Set(routes.map(route => route.path))].map(path => ({
    method: 'OPTIONS',
    path,
    statuses: [204],
    async handle() {
      return { status: 204, headers: PREFLIGHT_HEADERS }
    },
  }))
}
