import { type AuditReport, audit, type Fault } from '../database/audit.ts'
import { Database } from '../database/database.ts'
import { databaseProblem } from '../database/readiness.ts'
import { poolSettings } from '../service-database.ts'
import { answerToArguments, isProgram, TERMINAL } from './command-line.ts'
import { withExistingDatabase } from './configured-database.ts'

const USAGE = `usage: npm run audit

Compares locks, sessions and the whole history, and prints what no promise allows. It changes
nothing, and takes no options. The database is DATABASE_URL; without it, the embedded one under
DATA_DIR. Exits 0 where nothing is wrong, 1 where something is, 2 where it could not look.
`

/** It reads the whole history, and nobody waits for it. */
const STATEMENT_TIMEOUT_MS = 3_600_000

/** More would only be scrolled past. */
const MOST_FAULTS = 100

const EXIT_CODES = { fine: 0, faults: 1, couldNotLook: 2 } as const

/** For people: a line a fault, and what was looked at. */
export function auditText(report: AuditReport): string {
  const { faults, faultCount, events, locks, completeSince } = report
  const more = faultCount > faults.length ? [`and ${faultCount - faults.length} more`] : []
  const since =
    completeSince === null
      ? 'the history is switched off'
      : `the history is complete since ${completeSince.toISOString()}`
  const verdict =
    faultCount === 0 ? 'nothing is wrong' : `${faultCount} ${faultCount === 1 ? 'fault' : 'faults'}`
  const lines = [...faults.map(faultLine), ...more, `${verdict}: ${locks} locks, ${events} events; ${since}`]
  return `${lines.join('\n')}\n`
}

function faultLine({ fault, namespace, resource_type, resource_id, lock_id, detail }: Fault): string {
  const where = namespace === null ? '' : ` ${resource_type}/${resource_id} in ${namespace}, lock ${lock_id}:`
  return `${fault}:${where} ${detail}`
}

async function main(): Promise<number> {
  const answered = answerToArguments('audit', process.argv.slice(2), USAGE, TERMINAL)
  if (answered !== undefined) return answered
  try {
    const report = await withExistingDatabase(async ({ url, config }) => {
      const settings = poolSettings(config, url, () => {})
      const database = new Database(
        { ...settings, max: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS },
        config.DATABASE_SCHEMA,
      )
      return audit(database, MOST_FAULTS).finally(() => database.close())
    })
    TERMINAL.result(auditText(report))
    return report.faultCount === 0 ? EXIT_CODES.fine : EXIT_CODES.faults
  } catch (error) {
    TERMINAL.remark(`audit: ${databaseProblem(error)}\n`)
    return EXIT_CODES.couldNotLook
  }
}

if (isProgram(import.meta.url)) process.exitCode = await main()
