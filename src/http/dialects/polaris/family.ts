import type { WireFamily } from '../../route-family.ts'
import { presentPolarisError } from './errors.ts'
import type { PolarisSettings } from './settings.ts'

export function polaris(_settings: PolarisSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/polaris.applicationservices'],
    ignoresCase: true,
    bodyLimitBytes: 64 * 1024,
    presentError: presentPolarisError,
    routes: [],
  }
}
