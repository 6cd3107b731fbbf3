import { setTimeout as pause } from 'node:timers/promises'
import type { LogEntry } from '../history/operation.ts'
import type { PostgresNode } from './postgres-node.ts'
import { DATABASE } from './postgres-node.ts'

const SLOT = 'faults'
/** A transaction that is left open keeps it from beginning. */
const SLOT_WITHIN_MS = 6000
/** The first that can decode on a standby, so that a failover leaves no hole. */
const DECODES_ON_STANDBY = 16

/**
 * What the database itself says was committed: grants and ends of locks out of its WAL, by logical decoding. A slot on
 * the standby goes on where that of a lost primary has ended.
 */
export class LockLog {
  readonly #schema: string
  readonly #major: number
  readonly #entries: LogEntry[] = []
  /** Why there is a hole; undefined: there is none. */
  #hole: string | undefined = 'it was not begun'

  constructor(schema: string, version: string) {
    this.#schema = schema
    this.#major = Number.parseInt(version, 10)
  }

  /** Everything is read from now on, until there is a hole. */
  async begin(primary: PostgresNode): Promise<void> {
    this.#entries.length = 0
    await dropSlot(primary)
    await primary.query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [SLOT])
    this.#hole = undefined
  }

  /**
   * The standby keeps what comes; the primary is read up to there, and no further: what the standby does not have may
   * still be lost. Where a standby cannot decode, there is a hole after a failover.
   */
  async follow(primary: PostgresNode, standby: PostgresNode): Promise<void> {
    if (this.#hole !== undefined || this.#major < DECODES_ON_STANDBY) return
    const deadline = performance.now() + SLOT_WITHIN_MS
    for (;;) {
      try {
        await feedback(primary, deadline)
        await this.#read(primary, await makeSlot(primary, standby, deadline))
        return
      } catch (error) {
        if (performance.now() < deadline) continue
        this.#hole = `the standby does not decode: ${messageOf(error)}`
        return
      }
    }
  }

  /** The new primary of a failover goes on with its slot, if it has one. */
  async failedOver(primary: PostgresNode): Promise<void> {
    const rows = await primary.query('select from pg_replication_slots where slot_name = $1', [SLOT])
    if (rows.length === 0) this.#hole = 'the standby that was promoted did not decode'
  }

  /** What has come since the last time, in the order of commits; or why some of it is missing. */
  async take(primary: PostgresNode): Promise<readonly LogEntry[] | string> {
    if (this.#hole === undefined) {
      await this.#read(primary, null).catch((error: unknown) => {
        this.#hole = `it cannot be read: ${messageOf(error)}`
      })
    }
    const entries = distinct(this.#entries.splice(0))
    if (this.#hole === undefined) return entries
    const hole = this.#hole
    await this.begin(primary)
    return hole
  }

  async #read(primary: PostgresNode, upTo: string | null): Promise<void> {
    const table = `table ${this.#schema}.locks:`
    const rows = await primary.query<{ data: string }>(
      `select data from pg_logical_slot_get_changes($1, $2::pg_lsn, null, 'include-xids', '0', 'skip-empty-xacts', '1')
       where starts_with(data, $3)`,
      [SLOT, upTo, table],
      DATABASE,
    )
    for (const { data } of rows) {
      const entry = parseChange(data.slice(table.length))
      if (entry !== undefined) this.#entries.push(entry)
    }
  }
}

/**
 * Until the primary knows what the standby's queries see: what it cleans up before stands in the way of the slot, which
 * waits for the WAL that waits for it.
 */
async function feedback(primary: PostgresNode, deadline: number): Promise<void> {
  const client = await primary.connect()
  try {
    while (performance.now() < deadline) {
      const { rows } = await client.query('select from pg_stat_replication where backend_xmin is not null')
      if (rows.length > 0) return
      await pause(30)
    }
    throw new Error('it does not tell what it needs')
  } finally {
    void client.end().catch(() => {})
  }
}

/** Where it begins. Rejects where that is not found by then: a slot waits for what is under way. */
async function makeSlot(
  primary: PostgresNode,
  standby: PostgresNode,
  deadline: number,
): Promise<string | null> {
  const [decoder, talker] = await Promise.all([standby.connect(), primary.connect()])
  try {
    const made = decoder.query<{ lsn: string }>(
      `select lsn::text from pg_create_logical_replication_slot($1, 'test_decoding')`,
      [SLOT],
    )
    const isMade = made.then(
      () => true,
      () => true,
    )
    while (!(await Promise.race([isMade, pause(30, false)]))) {
      if (performance.now() > deadline) throw new Error('its slot did not begin in time')
      // it begins where the primary tells what is under way
      await talker.query('select pg_log_standby_snapshot()')
    }
    return (await made).rows[0]?.lsn ?? null
  } finally {
    for (const client of [decoder, talker]) void client.end().catch(() => {})
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A line of test_decoding, behind the table's name. */
export function parseChange(text: string): LogEntry | undefined {
  const column = (name: string) => new RegExp(` ${name}\\[[^\\]]+\\]:'?([^' ]*)`).exec(text)?.[1]
  const lock = column('id')
  if (lock === undefined) return undefined
  if (text.startsWith(' DELETE:')) return { log: 'end', lock }
  if (!text.startsWith(' INSERT:')) return undefined
  return {
    log: 'grant',
    lock,
    namespace: column('namespace') ?? '',
    key: Number((column('resource_id') ?? '').slice(1)),
    token: Number(column('fencing_token')),
    session: column('session_id') ?? '',
    by: Number(column('reference') ?? -1),
  }
}

/** What was read from two slots is there twice. */
function distinct(entries: readonly LogEntry[]): readonly LogEntry[] {
  return [...new Map(entries.map(entry => [`${entry.log} ${entry.lock}`, entry])).values()]
}

async function dropSlot(primary: PostgresNode): Promise<void> {
  await primary.query(
    'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and not active',
    [SLOT],
  )
}
