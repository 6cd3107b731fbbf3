import type { WireFamily } from '../../route-family.ts'
import { presentBridgeError } from './errors.ts'
import { lockRoutes } from './lock-routes.ts'
import { lockablesOf } from './lockable.ts'
import type { BridgeSettings } from './settings.ts'

export function bridge(settings: BridgeSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/api/author'],
    bodyLimitBytes: 64 * 1024,
    presentError: presentBridgeError,
    routes: lockablesOf(settings).flatMap(lockable => lockRoutes(lockable, settings)),
  }
}
