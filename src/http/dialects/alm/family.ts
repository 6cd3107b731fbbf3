import type { WireFamily } from '../../route-family.ts'
import { presentAlmError } from './errors.ts'
import type { AlmSettings } from './settings.ts'

export function alm(_settings: AlmSettings): WireFamily {
  return {
    kind: 'wire',
    prefixes: ['/qcbin'],
    bodyLimitBytes: 64 * 1024,
    presentError: presentAlmError,
    routes: [],
  }
}
