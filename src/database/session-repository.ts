import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Session } from '../locks/session.ts'
import type {
  SessionFilter,
  SessionOutcome,
  SessionRequest,
  SessionStore,
  SweepStep,
} from '../locks/session-store.ts'
import type { Database } from './database.ts'
import { type Batching, DEFAULT_BATCHING } from './gatherer.ts'
import { Busy, RowGatherer } from './row-gatherer.ts'
import { SessionEnder } from './session-ender.ts'
import { type LeaseRow, type SessionRow, sessionOf } from './session-row.ts'
import { COUNTED_ROWS, type CountRow, countSessionsSql } from './statements/count-live.ts'
import { createSessionSql } from './statements/create-session.ts'
import { endSessionSql, type SweepRow, sweepSql } from './statements/end-sessions.ts'
import { touchSessionSql, touchSessionsSql } from './statements/touch.ts'
import { isFaultOfStatement } from './trouble.ts'

/** Before every row: rows of a page are counted from 1. */
const FIRST_PLACE = '(0,0)'

/** 8 MiB, some forty thousand sessions: a few milliseconds where none of them has expired. */
const PAGES_A_STEP = 1024

interface SessionTouch {
  readonly sessionId: string
  readonly user: string
}

export interface SessionRepositoryOptions {
  /** With connections of its own and a time-out fit for the end of a session with a hundred thousand locks. */
  readonly bulk?: Database
  readonly batching?: Batching
}

type TouchRow =
  | (SessionRow & { readonly touched: boolean })
  /** It could not be locked. */
  | { readonly id: string; readonly user_name: null }

function touchOutcome(row: TouchRow | undefined, user: string): SessionOutcome | Busy {
  if (row === undefined) return { kind: 'session_not_found' }
  if (row.user_name === null) return new Busy(row.id)
  if (row.touched) return { kind: 'live', session: sessionOf(row), existing: true }
  return { kind: row.user_name === user ? 'session_expired' : 'session_forbidden' }
}

function distinct(touches: readonly SessionTouch[]): readonly SessionTouch[] {
  return [...new Map(touches.map(touch => [touch.sessionId, touch])).values()]
}

/** Of a statement that has waited: a session that it could not lock is gone. */
function settled(outcome: SessionOutcome | Busy): SessionOutcome {
  return outcome instanceof Busy ? { kind: 'session_not_found' } : outcome
}

/** Sessions in PostgreSQL. The lease is the row, and its row lock decides who comes first. */
export class SessionRepository implements SessionStore {
  readonly #database: Database
  readonly #ender: SessionEnder
  readonly #tombstoneSeconds: number
  readonly #touches: RowGatherer<SessionTouch, SessionOutcome>
  readonly #sql: Readonly<
    Record<
      'count' | 'create' | 'touch' | 'touchWaiting' | 'touchMany' | 'touchManyWaiting' | 'end' | 'sweep',
      string
    >
  >

  /** `tombstoneSeconds`: how long the row of a named session stays after its end. */
  constructor(
    database: Database,
    tombstoneSeconds: number,
    { bulk = database, batching = DEFAULT_BATCHING }: SessionRepositoryOptions = {},
  ) {
    this.#database = database
    this.#ender = new SessionEnder(database, bulk)
    this.#tombstoneSeconds = tombstoneSeconds
    this.#touches = new RowGatherer(
      {
        atOnce: touches => this.#touchAtOnce(touches),
        waiting: touches => this.#touchWaiting(touches),
      },
      {
        ...batching,
        keysOf: ({ sessionId }) => [sessionId],
        // one touch is as good as two
        canShare: (_key, one, other) => one.user === other.user,
        isDivisible: isFaultOfStatement,
      },
    )
    this.#sql = {
      count: countSessionsSql(database.schema),
      create: createSessionSql(database.schema),
      touch: touchSessionSql(database.schema, { waits: false }),
      touchWaiting: touchSessionSql(database.schema, { waits: true }),
      touchMany: touchSessionsSql(database.schema, { waits: false }),
      touchManyWaiting: touchSessionsSql(database.schema, { waits: true }),
      end: endSessionSql(database.schema),
      sweep: sweepSql(database.schema),
    }
  }

  async create(request: SessionRequest): Promise<SessionOutcome> {
    const { user, client, ttlSeconds } = request
    const id = request.id ?? randomUUID()
    for (;;) {
      const [row] = await this.#database.run<LeaseRow>(this.#sql.create, [id, user, client, ttlSeconds])
      if (row !== undefined) {
        const made = { ...row, id, user_name: user, client, ttl: ttlSeconds, ends_with_last_lock: false }
        return { kind: 'live', session: sessionOf(made), existing: false }
      }
      // whoever had the id may have gone between the two statements; then it is free
      const outcome = await this.touch(id, user)
      if (outcome.kind !== 'session_not_found') return outcome
    }
  }

  touch(sessionId: string, user: string): Promise<SessionOutcome> {
    return this.#touches.add({ sessionId, user })
  }

  async #touchAtOnce(touches: readonly SessionTouch[]): Promise<readonly (SessionOutcome | Busy)[]> {
    const [only, ...others] = distinct(touches)
    if (only !== undefined && others.length === 0) {
      const row = await this.#touchOne(only, this.#sql.touch)
      // else it is gone, or another has it: the statement for many tells which
      if (row !== undefined) return touches.map(({ user }) => touchOutcome(row, user))
    }
    return await this.#touchMany(touches, this.#sql.touchMany)
  }

  async #touchWaiting(touches: readonly SessionTouch[]): Promise<readonly SessionOutcome[]> {
    const [only, ...others] = distinct(touches)
    if (only !== undefined && others.length === 0) {
      const row = await this.#touchOne(only, this.#sql.touchWaiting)
      return touches.map(({ user }) => settled(touchOutcome(row, user)))
    }
    return (await this.#touchMany(touches, this.#sql.touchManyWaiting)).map(settled)
  }

  async #touchOne({ sessionId, user }: SessionTouch, text: string): Promise<TouchRow | undefined> {
    const [row] = await this.#database.run<TouchRow>(text, [sessionId, user])
    return row
  }

  async #touchMany(
    touches: readonly SessionTouch[],
    text: string,
  ): Promise<readonly (SessionOutcome | Busy)[]> {
    const each = distinct(touches)
    const rows = await this.#database.run<TouchRow>(text, [
      each.map(({ sessionId }) => sessionId),
      each.map(({ user }) => user),
    ])
    const found = new Map(rows.map(row => [row.id, row]))
    return touches.map(({ sessionId, user }) => touchOutcome(found.get(sessionId), user))
  }

  async get(sessionId: string, user: string | null): Promise<Session | undefined> {
    let query = this.#live().where('s.id', '=', sessionId)
    if (user !== null) query = query.where('s.user_name', '=', user)
    const row = await query.executeTakeFirst()
    return row && sessionOf(row)
  }

  async end(sessionId: string, user: string | null, by: string | null = user): Promise<boolean> {
    return (await this.#ender.run(this.#sql.end, [sessionId, user, by])).length > 0
  }

  async list(filter: SessionFilter): Promise<readonly Session[]> {
    let query = this.#live()
    if (filter.user !== undefined) query = query.where('s.user_name', '=', filter.user)
    if (filter.afterSessionId !== undefined) query = query.where('s.id', '>', filter.afterSessionId)
    const rows = await query.orderBy('s.id').limit(filter.limit).execute()
    return rows.map(sessionOf)
  }

  async count(): Promise<number> {
    const [row] = await this.#database.run<CountRow>(this.#sql.count, [COUNTED_ROWS])
    return Number(row?.live)
  }

  /** A place is that of a row in the table, `(page,row)`. */
  async sweep(limit: number, from: string | null): Promise<SweepStep> {
    const after = from ?? FIRST_PLACE
    const before = placeAfter(after, PAGES_A_STEP)
    const parameters = [after, before, limit, this.#tombstoneSeconds]
    // many at once are tried again as fewer; of one, nothing is left to be tried but more time
    const [row] =
      limit === 1
        ? await this.#ender.run<SweepRow>(this.#sql.sweep, parameters)
        : await this.#database.run<SweepRow>(this.#sql.sweep, parameters)
    if (row === undefined) throw new Error('a sweep without an answer')
    const { sessions, tombstones, stopped_at, pages } = row
    const next = stopped_at ?? (pageOf(before) < pages ? before : null)
    return { sessions, tombstones, next }
  }

  /** Judged by `now()`, like every read: see LockRepository. */
  #live() {
    return this.#database.kysely
      .selectFrom('sessions as s')
      .where('s.ended_at', 'is', null)
      .where('s.expires_at', '>', sql<Date>`now()`)
      .select([
        's.id',
        's.user_name',
        's.client',
        's.started',
        's.last_touch',
        's.ends_with_last_lock',
        sql<number | null>`extract(epoch from s.ttl)::float8`.as('ttl'),
        sql<Date | null>`nullif(s.expires_at, 'infinity')`.as('expires_at'),
        sql<number | null>`extract(epoch from nullif(s.expires_at, 'infinity') - now())::float8`.as(
          'expires_in',
        ),
      ])
      .$castTo<SessionRow>()
  }
}

function pageOf(place: string): number {
  return Number(/^\((\d+),/.exec(place)?.[1])
}

function placeAfter(place: string, pages: number): string {
  return `(${pageOf(place) + pages},0)`
}
