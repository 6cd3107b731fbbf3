import type { WireFamily } from '../../route-family.ts'
import { authorizeRoutes } from './authorize.ts'
import { CORS_HEADERS, preflightOf } from './cors.ts'
import { presentBimplusError } from './errors.ts'
import { lockRoutes } from './locks.ts'
import type { BimplusSettings } from './settings.ts'

export function bimplus(settings: BimplusSettings): WireFamily {
  const routes = [...authorizeRoutes, ...lockRoutes(settings)]
  return {
    kind: 'wire',
    prefixes: ['/v2'],
    bodyLimitBytes: 64 * 1024,
    headers: CORS_HEADERS,
    presentError: presentBimplusError,
    routes: [...routes, ...preflightOf(routes)],
  }
}
