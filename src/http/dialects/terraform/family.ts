import { presentProblem } from '../../problem.ts'
import type { WireFamily } from '../../route-family.ts'

export const terraform: WireFamily = {
  kind: 'wire',
  prefixes: ['/terraform'],
  bodyLimitBytes: 64 * 1024,
  presentError: presentProblem,
  routes: [],
}
