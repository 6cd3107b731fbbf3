import { presentProblem } from '../problem.ts'
import type { NativeFamily } from '../route-family.ts'
import { acquireRoute } from './acquire.ts'
import { catalogueRoutes } from './catalogue.ts'
import { historyRoute } from './history.ts'
import { keyRoutes } from './keys.ts'
import { lockRoutes } from './locks.ts'
import { resourceRoutes } from './resources.ts'
import { sessionRoutes } from './sessions.ts'

/** Room for the largest acquire: 1,000 resources with ids of some 200 bytes. */
export const BODY_LIMIT_BYTES = 256 * 1024

/** The native API. */
export const v1: NativeFamily = {
  kind: 'native',
  prefixes: ['/v1'],
  body: { limitBytes: BODY_LIMIT_BYTES, mediaTypes: ['application/json'] },
  presentError: presentProblem,
  routes: [
    acquireRoute,
    ...catalogueRoutes,
    ...lockRoutes,
    historyRoute,
    ...resourceRoutes,
    ...sessionRoutes,
    ...keyRoutes,
  ],
}
