import { DatabaseTrouble } from '../locks/errors.ts'
import type { Database } from './database.ts'
import { schemaProblem } from './migrations/schema-problem.ts'
import { SERVER_SETTINGS_SQL, type ServerSettings, unsafeSettings } from './server-settings.ts'

/** Longer than a busy server needs, shorter than the time-out of any probe. */
const DEADLINE_MS = 2000

/** How long an answer is good for: however many probes ask, the database is asked once a second. */
const FRESH_MS = 1000

/** Tells why the service should get no requests now, in words for the operator. */
export class Readiness {
  readonly #database: Database
  readonly #allowUnsafe: boolean
  #asked = Number.NEGATIVE_INFINITY
  #answer: Promise<readonly string[]> = Promise.resolve([])

  constructor(database: Database, allowUnsafe: boolean) {
    this.#database = database
    this.#allowUnsafe = allowUnsafe
  }

  /** Empty: ready. Never rejects, and answers within two seconds. */
  problems(): Promise<readonly string[]> {
    const now = performance.now()
    if (now - this.#asked >= FRESH_MS) {
      this.#asked = now
      this.#answer = withinDeadline(this.#ask())
    }
    return this.#answer
  }

  async #ask(): Promise<readonly string[]> {
    try {
      const [settings] = await this.#database.run<ServerSettings>(SERVER_SETTINGS_SQL, [])
      const problems = settings === undefined || this.#allowUnsafe ? [] : [...unsafeSettings(settings)]
      const schema = await schemaProblem(
        async (text, parameters) => ({ rows: await this.#database.run(text, parameters) }),
        this.#database.schema,
      )
      return schema === undefined ? problems : [...problems, schema]
    } catch (error) {
      return [databaseProblem(error)]
    }
  }
}

/** One line about a failure to work with the database, with the cause where the driver told one. */
export function databaseProblem(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!(error instanceof DatabaseTrouble)) return error.message
  const cause = error.cause instanceof Error ? causeOf(error.cause) : ''
  return cause === '' ? error.message : `${error.message}: ${cause}`
}

/** Where a name has several addresses, Node packs one error for each into one without a message. */
function causeOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(String).join(', ')
  return error.message
}

async function withinDeadline(answer: Promise<readonly string[]>): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly string[]>(resolve => {
    timer = setTimeout(() => resolve(['the database does not answer']), DEADLINE_MS)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
