import type { WireFamily } from '../../route-family.ts'
import type { WireRoute } from '../../wire-route.ts'
import { presentVersalError } from './errors.ts'
import { lockRoutes } from './locks.ts'
import { sessionRoutes } from './sessions.ts'
import type { VersalSettings } from './settings.ts'

/** The vendor's own address ends in it, so that clients may have it in theirs. */
const VENDOR_BASE = '/api2'

export function versal(settings: VersalSettings): WireFamily {
  const routes = [...lockRoutes(settings), ...sessionRoutes]
  return {
    kind: 'wire',
    prefixes: ['/locks', '/sessions', '/session', '/signout', VENDOR_BASE],
    bodyLimitBytes: 64 * 1024,
    presentError: presentVersalError,
    routes: [...routes, ...routes.map(below)],
  }
}

function below(route: WireRoute): WireRoute {
  return { ...route, path: VENDOR_BASE + route.path }
}
