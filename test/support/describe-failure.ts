import { inspect } from 'node:util'
import type { Failure } from './tap-results.ts'

/** What tap adds to every file or repeats. */
const NOISE = new Set(['stdio', 'cwd', 'externalID', 'command', 'args', 'jobId', 'at', 'test', 'tapCaught'])

/** A failed test with what is known of it, one fact after another, for a log. */
export function describeFailure({ name, diagnostics }: Failure): string {
  const lines = [`- ${name}`]
  if (typeof diagnostics === 'object' && diagnostics !== null) {
    for (const [key, value] of Object.entries(diagnostics)) {
      if (NOISE.has(key) || value === null) continue
      const text = typeof value === 'string' ? value.trimEnd() : inspect(value, { depth: 6 })
      lines.push(
        text.includes('\n') ? `    ${key}:\n${text.replaceAll(/^/gm, '      ')}` : `    ${key}: ${text}`,
      )
    }
  }
  return lines.join('\n')
}
