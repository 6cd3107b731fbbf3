import type { WireFamily } from '../../route-family.ts'
import { entityLockRoutes } from './entity-locks.ts'
import { almRoute, presentAlmError } from './errors.ts'
import { fieldLockRoutes } from './field-locks.ts'
import { lockRoutes } from './locks.ts'
import type { AlmSettings } from './settings.ts'
import { signInRoutes } from './sign-in.ts'
import { siteSessionRoutes } from './site-session.ts'

/** ALM 12.5x: its sign-ins, and its three ways to locks. */
export function alm(settings: AlmSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/qcbin'],
    bodyLimitBytes: 64 * 1024,
    presentError: presentAlmError,
    routes: [
      ...signInRoutes(settings),
      ...siteSessionRoutes(settings),
      ...lockRoutes(settings),
      ...entityLockRoutes(settings),
      ...fieldLockRoutes(settings),
    ].map(almRoute),
  }
}
