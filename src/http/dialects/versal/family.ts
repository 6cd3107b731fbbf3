import type { WireFamily } from '../../route-family.ts'
import { presentVersalError } from './errors.ts'
import type { VersalSettings } from './settings.ts'

export function versal(_settings: VersalSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/locks', '/sessions', '/session', '/signout'],
    bodyLimitBytes: 64 * 1024,
    presentError: presentVersalError,
    routes: [],
  }
}
