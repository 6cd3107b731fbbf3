import { type ExpressionBuilder, sql } from 'kysely'
import type { AcquireOutcome, AcquireRequest, Expand } from '../locks/acquire.ts'
import { troubleOfMany } from '../locks/errors.ts'
import type { Lock } from '../locks/lock.ts'
import type { LockFilter, LockName, LockStore } from '../locks/lock-store.ts'
import type { Force, ReleaseOutcome, ReleaseSelection } from '../locks/release.ts'
import { MAX_EXPANDED_RESOURCES, type Resource } from '../locks/resource.ts'
import { type AcquireEvents, Acquirer } from './acquirer.ts'
import type { Database } from './database.ts'
import { ExpandingAcquirer } from './expanding-acquirer.ts'
import { type Batching, DEFAULT_BATCHING } from './gatherer.ts'
import { LockBatches, type Released, type ReleasedRow } from './lock-batches.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { prefixEnd } from './prefix-end.ts'
import { SessionEnder } from './session-ender.ts'
import { SetReleaser } from './set-releaser.ts'
import { COUNTED_ROWS, type CountRow, countLocksSql } from './statements/count-live.ts'
import { listBelowSql } from './statements/list-below.ts'
import { forceReleaseSql } from './statements/release.ts'
import type { Tables } from './tables.ts'

export interface LockRepositoryOptions {
  /** With connections of its own and a time-out fit for statements over a hundred thousand rows. */
  readonly bulk?: Database
  readonly batching?: Batching
}

/**
 * Locks in PostgreSQL. What holds here, and where it is kept:
 *
 * - One live lock a resource: the unique constraint on `locks`, and nothing else.
 * - Tokens grow: drawn by the insert while the resource is claimed (statements/acquire-one.ts).
 * - The lease is the session's; its row lock orders touch, release, end, takeover and sweep.
 * - The clock is the database's: read after the row lock by whoever decides, `now()` for whoever only looks.
 * - Each call is autocommit statements: no transaction is open between two round trips.
 */
export class LockRepository implements LockStore {
  readonly #database: Database
  readonly #acquirer: Acquirer
  readonly #expanding: ExpandingAcquirer
  readonly #releaser: SetReleaser
  readonly #batches: LockBatches
  readonly #countSql: string
  readonly #listBelowSql: string
  readonly #forceReleaseSql: string

  constructor(
    database: Database,
    events: AcquireEvents,
    { bulk = database, batching = DEFAULT_BATCHING }: LockRepositoryOptions = {},
  ) {
    this.#database = database
    this.#acquirer = new Acquirer(database, new SessionEnder(database, bulk), events, batching)
    this.#expanding = new ExpandingAcquirer(database, bulk, this.#acquirer, events)
    this.#releaser = new SetReleaser(database, bulk)
    this.#batches = new LockBatches(database, batching)
    this.#countSql = countLocksSql(database.schema)
    this.#listBelowSql = listBelowSql(database.schema)
    this.#forceReleaseSql = forceReleaseSql(database.schema)
  }

  async acquire(requests: readonly AcquireRequest[]): Promise<readonly AcquireOutcome[]> {
    const plain = requests.filter(({ expand }) => expand === 'none')
    if (plain.length === requests.length) return this.#acquirer.acquire(requests)
    const plainOutcomes = (await this.#acquirer.acquire(plain)).values()
    const outcomes: AcquireOutcome[] = []
    for (const request of requests) {
      const outcome =
        request.expand === 'none'
          ? plainOutcomes.next().value
          : await this.#expanding.acquire(request).catch(error => {
              throw requests.length > 1 ? troubleOfMany(error) : error
            })
      outcomes.push(outcome ?? { kind: 'contended' })
    }
    return outcomes
  }

  touch(name: LockName): Promise<Lock | undefined> {
    return this.#batches.touch(name)
  }

  release(name: LockName): Promise<Released | undefined> {
    return this.#batches.release(name)
  }

  /** In a statement of its own: it is rare, and carries its reason. */
  async forceRelease(
    { namespace, lockId }: Omit<LockName, 'holder'>,
    { by, reason }: Force,
  ): Promise<Released | undefined> {
    const parameters = [lockId, namespace, by, reason]
    const [row] = await this.#database.run<ReleasedRow>(this.#forceReleaseSql, parameters)
    return row && { holder: row.holder, fencingToken: Number(row.fencing_token) }
  }

  releaseSet(selection: ReleaseSelection): Promise<ReleaseOutcome> {
    return this.#releaser.release(selection)
  }

  async get(namespace: string, lockId: string): Promise<Lock | undefined> {
    const row = await this.#held({ namespace, lockId })
      .where('l.namespace', '=', namespace)
      .executeTakeFirst()
    return row && lockOf(row)
  }

  async find({ namespace, type, id }: Resource): Promise<Lock | undefined> {
    const row = await this.#held({ namespace, type, id }).executeTakeFirst()
    return row && lockOf(row)
  }

  async list(filter: LockFilter): Promise<readonly Lock[]> {
    let query = this.#held(filter).where('l.namespace', '=', filter.namespace)
    if (filter.type !== undefined) query = query.where('l.resource_type', '=', filter.type)
    if (filter.id !== undefined) query = query.where('l.resource_id', '=', filter.id)
    if (filter.idPrefix !== undefined) {
      const end = prefixEnd(filter.idPrefix)
      query = query.where('l.resource_id', '>=', filter.idPrefix)
      if (end !== undefined) query = query.where('l.resource_id', '<', end)
    }
    if (filter.holder !== undefined) query = query.where('l.holder', '=', filter.holder)
    if (filter.client !== undefined) query = query.where('s.client', 'is not distinct from', filter.client)
    if (filter.sessionId !== undefined) query = query.where('l.session_id', '=', filter.sessionId)
    if (filter.lockId !== undefined) query = query.where('l.id', '=', filter.lockId)
    if (filter.afterLockId !== undefined) query = query.where('l.id', '>', filter.afterLockId)
    const rows = await query.orderBy('l.id').limit(filter.limit).execute()
    return rows.map(lockOf)
  }

  async listBelow(resource: Resource, expand: Expand, limit: number): Promise<readonly Lock[]> {
    const { namespace, type, id } = resource
    const parameters = [namespace, type, id, expand, MAX_EXPANDED_RESOURCES, limit]
    return (await this.#database.run<LockRow>(this.#listBelowSql, parameters)).map(lockOf)
  }

  async count(): Promise<number> {
    const [row] = await this.#database.run<CountRow>(this.#countSql, [COUNTED_ROWS])
    return Number(row?.live)
  }

  /**
   * The locks that a reader sees, found by what is known best of them, each with its session. `now()` is read before the
   * snapshot of an autocommit statement: a clock read later could call a lock dead that was touched in between.
   */
  #held(known: Known) {
    return this.#database.kysely
      .selectFrom(from => candidates(from, known).as('l'))
      .innerJoinLateral(
        from =>
          from
            .selectFrom('sessions')
            .selectAll()
            .whereRef('sessions.id', '=', 'l.session_id')
            .offset(sql.lit(0))
            .as('s'),
        join => join.onTrue(),
      )
      .where('s.ended_at', 'is', null)
      .where('s.expires_at', '>', sql<Date>`now()`)
      .select([
        'l.id',
        'l.namespace',
        'l.resource_type',
        'l.resource_id',
        'l.session_id',
        'l.fencing_token',
        'l.holder',
        's.client',
        'l.reference',
        'l.metadata',
        'l.lock_time',
        's.last_touch',
        sql<Date | null>`nullif(s.expires_at, 'infinity')`.as('expires_at'),
        sql<number | null>`extract(epoch from nullif(s.expires_at, 'infinity') - now())::float8`.as(
          'expires_in',
        ),
      ])
      .$castTo<LockRow>()
  }
}

/** What narrows a search down to one index. */
type Known = Pick<LockFilter, 'namespace' | 'lockId' | 'type' | 'id' | 'sessionId'>

/** Rows by one index: see by-index.ts. */
function candidates(
  from: ExpressionBuilder<Tables, never>,
  { namespace, lockId, type, id, sessionId }: Known,
) {
  const locks = from.selectFrom('locks').selectAll()
  if (lockId !== undefined) return locks.where('id', '=', lockId).offset(sql.lit(0))
  if (type !== undefined && id !== undefined) {
    return locks
      .where('namespace', '=', namespace)
      .where('resource_type', '=', type)
      .where('resource_id', '=', id)
      .offset(sql.lit(0))
  }
  if (sessionId !== undefined) return locks.where('session_id', '=', sessionId).offset(sql.lit(0))
  // true for every lock: it opens the index for lists
  return locks.where(sql<boolean>`id > 0`)
}
