import type { WireFamily } from '../../route-family.ts'
import { clearingFirst } from './clearing.ts'
import { presentPolarisError } from './errors.ts'
import { locking } from './locking.ts'
import { looking } from './looking.ts'
import { serviceStatus } from './service-status.ts'
import type { PolarisSettings } from './settings.ts'
import { signingIn } from './signing-in.ts'
import { unlocking } from './unlocking.ts'

/**
 * The object locks of Polaris.ApplicationServices v1, as their published pages have them: docs/dialects.md. Its own
 * server compares paths without regard to case, and its clients write them in both.
 */
export function polaris(settings: PolarisSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/polaris.applicationservices'],
    ignoresCase: true,
    // 1,000 numbers of ten digits, each on a line of its own
    bodyLimitBytes: 64 * 1024,
    presentError: presentPolarisError,
    routes: [
      serviceStatus,
      ...signingIn,
      ...[...locking(settings), ...looking(settings), ...unlocking(settings)].map(clearingFirst),
    ],
  }
}
