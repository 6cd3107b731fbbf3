import type { WireFamily } from '../../route-family.ts'
import { authorizeRoutes } from './authorize.ts'
import { CORS_HEADERS, preflightOf } from './cors.ts'
import { presentBimplusError } from './errors.ts'
import type { BimplusSettings } from './settings.ts'

export function bimplus(_settings: BimplusSettings): WireFamily {
  const routes = authorizeRoutes
  return {
    kind: 'wire',
    prefixes: ['/v2'],
    bodyLimitBytes: 64 * 1024,
    headers: CORS_HEADERS,
    presentError: presentBimplusError,
    routes: [...routes, ...preflightOf(routes)],
  }
}
