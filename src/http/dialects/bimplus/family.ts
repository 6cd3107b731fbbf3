import type { WireFamily } from '../../route-family.ts'
import { presentBimplusError } from './errors.ts'
import type { BimplusSettings } from './settings.ts'

export function bimplus(_settings: BimplusSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/v2'],
    bodyLimitBytes: 64 * 1024,
    presentError: presentBimplusError,
    routes: [],
  }
}
