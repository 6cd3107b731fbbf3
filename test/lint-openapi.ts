import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { apiDocument } from '../src/http/app.ts'

/** Lints the OpenAPI document with redocly's recommended rules. Warnings count. */

const folder = mkdtempSync(join(tmpdir(), 'leasehold-openapi-'))
const file = join(folder, 'openapi.json')
const redocly = fileURLToPath(new URL('../../node_modules/@redocly/cli/bin/cli.js', import.meta.url))
try {
  writeFileSync(file, JSON.stringify(apiDocument(), null, 2))
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [redocly, 'lint', '--extends=recommended', '--format=json', file],
    {
      encoding: 'utf8',
      // without these it reports its use and asks the registry for a newer version
      env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    },
  )
  const report: { totals: { errors: number; warnings: number } } | undefined = stdout.startsWith('{')
    ? JSON.parse(stdout)
    : undefined
  if (report === undefined || report.totals.errors + report.totals.warnings > 0) {
    console.error(stdout, stderr)
    process.exitCode = status === null || status === 0 ? 1 : status
  } else {
    console.log('the OpenAPI document has no errors and no warnings')
  }
} finally {
  rmSync(folder, { recursive: true })
}
