import { presentProblem } from '../../problem.ts'
import type { WireFamily } from '../../route-family.ts'

export const gitLfs: WireFamily = {
  kind: 'wire',
  prefixes: ['/lfs'],
  bodyLimitBytes: 64 * 1024,
  presentError: presentProblem,
  routes: [],
}
