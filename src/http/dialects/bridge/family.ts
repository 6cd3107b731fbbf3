import type { WireFamily } from '../../route-family.ts'
import { presentBridgeError } from './errors.ts'
import type { BridgeSettings } from './settings.ts'

export function bridge(_settings: BridgeSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/api/author'],
    bodyLimitBytes: 64 * 1024,
    presentError: presentBridgeError,
    routes: [],
  }
}
