import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { AcquireOutcome, AcquireRequest } from '../locks/acquire.ts'
import { troubleOfMany } from '../locks/errors.ts'
import { MAX_RESOURCES_PER_ACQUIRE } from '../locks/resource.ts'
import { crowdsOf, verdictBehind } from './crowd.ts'
import type { Database } from './database.ts'
import { type Batching, Gatherer } from './gatherer.ts'
import {
  batchParameters,
  byRequest,
  isPlain,
  isSameSession,
  isShareable,
  keysOf,
  manyParameters,
  oneParameters,
  type Pending,
  takeOverParameters,
} from './pending-acquire.ts'
import type { SessionEnder } from './session-ender.ts'
import { type AcquireBatchRow, acquireBatchSql } from './statements/acquire-batch.ts'
import { type AcquireManyRow, acquireManySql } from './statements/acquire-many.ts'
import { type AcquireOneRow, acquireOneSql } from './statements/acquire-one.ts'
import { type AcquireSoleRow, acquireSoleSql } from './statements/acquire-sole.ts'
import { catalogueGuard } from './statements/catalogue-guard.ts'
import { endExpiredSql } from './statements/end-sessions.ts'
import { type TakeOverRow, takeOverSql } from './statements/take-over.ts'
import { touchHoldersSql } from './statements/touch.ts'
import { hasSqlState, isFaultOfStatement, SERIALIZATION_FAILURE } from './trouble.ts'
import { AGAIN, type Again, type Verdict, type VerdictRow, verdictOf, verdictOfLone } from './verdict.ts'

/**
 * How often a request is sent before it is answered `contended`. With 32 clients on one resource 6 tries were
 * always enough; under a standby that holds commits back no number is.
 */
const MAX_TRIES = 10

/** Of the pause before another try, in ms: about as long as the commit takes that stands in the way. */
const PAUSE_MS = { min: 1, max: 8 } as const

export interface AcquireEvents {
  /** A request that has to be sent again, and why. */
  retried(why: 'contended' | 'expired_holder' | 'partial_set'): void
}

/**
 * Takes sets of resources, in as few statements as they allow.
 *
 * No statement depends on what an earlier one said: each one judges for itself and commits on its own, so a
 * crash between two of them leaves nothing half done, and no connection is held while a request waits its turn.
 */
export class Acquirer {
  readonly #database: Database
  readonly #ender: SessionEnder
  readonly #events: AcquireEvents
  readonly #sql: Readonly<
    Record<
      | 'one'
      | 'many'
      | 'sole'
      | 'batch'
      | 'guardedBatch'
      | 'takeOver'
      | 'guardedTakeOver'
      | 'endExpired'
      | 'touchHolders',
      string
    >
  >

  /** Expired sessions that are being ended now: a crowd that met one of them ends it once. */
  readonly #ending = new Map<string, Promise<unknown>>()
  /** Requests for one resource each, under sessions of their own. */
  readonly #lone: Gatherer<Pending, Verdict>
  /** All others that can share a statement. */
  readonly #sets: Gatherer<Pending, Verdict>

  constructor(database: Database, ender: SessionEnder, events: AcquireEvents, batching: Batching) {
    this.#database = database
    this.#ender = ender
    this.#events = events
    this.#sql = {
      one: acquireOneSql(database.schema),
      many: acquireManySql(database.schema),
      sole: acquireSoleSql(database.schema),
      batch: acquireBatchSql(database.schema),
      guardedBatch: acquireBatchSql(database.schema, catalogueGuard(database.schema, '$16', '$17')),
      takeOver: takeOverSql(database.schema),
      guardedTakeOver: takeOverSql(database.schema, catalogueGuard(database.schema, '$14', '$15')),
      endExpired: endExpiredSql(database.schema),
      touchHolders: touchHoldersSql(database.schema),
    }
    const options = { ...batching, keysOf, isDivisible: isFaultOfStatement }
    this.#lone = new Gatherer(batch => this.#acquireLone(batch), { ...options, canShare: () => true })
    this.#sets = new Gatherer(batch => this.#undoing(batch, () => this.#acquireBatch(batch)), {
      ...options,
      canShare: isSameSession,
      weightOf: ({ request }) => request.resources.length,
      maxWeight: MAX_RESOURCES_PER_ACQUIRE,
    })
  }

  async acquire(requests: readonly AcquireRequest[]): Promise<readonly AcquireOutcome[]> {
    const [only] = requests
    if (only !== undefined && requests.length === 1) return [await this.#acquire(only)]
    try {
      return await Promise.all(requests.map(request => this.#acquire(request)))
    } catch (error) {
      throw troubleOfMany(error)
    }
  }

  /** One try of a request whose resources were read from a catalogue of that version. Undefined: read again. */
  async tryAtVersion(
    request: AcquireRequest,
    sessionId: string,
    catalogueVersion: string,
  ): Promise<AcquireOutcome | undefined> {
    const reentrant = await this.#touchHolders(request)
    const verdict = await this.#try({ request, sessionId, reentrant, catalogueVersion })
    if (verdict.kind !== 'again') return verdict
    await this.#endExpired(verdict)
    return undefined
  }

  async #acquire(request: AcquireRequest): Promise<AcquireOutcome> {
    const sessionId = request.session.kind === 'implicit' ? randomUUID() : request.session.id
    for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
      if (attempt > 1) await delay(PAUSE_MS.min + Math.random() * (PAUSE_MS.max - PAUSE_MS.min))
      const reentrant = await this.#touchHolders(request)
      const verdict = await this.#try({ request, sessionId, reentrant })
      if (verdict.kind !== 'again') return verdict
      await this.#endExpired(verdict)
    }
    return { kind: 'contended' }
  }

  /** Sends a request once, alone or among others. */
  async #try(pending: Pending): Promise<Verdict> {
    const { request, catalogueVersion } = pending
    if (catalogueVersion === undefined && isShareable(request)) {
      return isPlain(request) ? this.#lone.add(pending) : this.#sets.add(pending)
    }
    const [verdict] = await this.#undoing([pending], async () => {
      if (request.isSole) return [await this.#acquireSole(pending)]
      if (request.takeover !== null || request.replacesOwn) return [await this.#takeOver(pending)]
      return this.#acquireBatch([pending])
    })
    return verdict ?? AGAIN
  }

  /** A set that was taken in part undid its whole statement. */
  async #undoing(
    batch: readonly Pending[],
    send: () => Promise<readonly Verdict[]>,
  ): Promise<readonly Verdict[]> {
    try {
      return await send()
    } catch (error) {
      if (!hasSqlState(error, SERIALIZATION_FAILURE)) throw error
      this.#events.retried('partial_set')
      return batch.map(() => AGAIN)
    }
  }

  /** In a statement of its own, so that it judges by a clock and a snapshot of its own. */
  async #endExpired({ expired }: Again): Promise<void> {
    const others = expired.filter(id => !this.#ending.has(id))
    if (others.length > 0) {
      const ended = this.#ender.run(this.#sql.endExpired, [others]).finally(() => {
        for (const id of others) this.#ending.delete(id)
      })
      for (const id of others) this.#ending.set(id, ended)
    }
    await Promise.all(expired.map(id => this.#ending.get(id)))
  }

  async #acquireLone(batch: readonly Pending[]): Promise<readonly Verdict[]> {
    const crowds = crowdsOf(batch)
    const firsts = await this.#acquireDistinct(crowds.map(({ first }) => first))
    const verdicts: Verdict[] = batch.map(() => AGAIN)
    crowds.forEach(({ positions: [own = 0, ...behind] }, index) => {
      const verdict = firsts[index] ?? AGAIN
      verdicts[own] = verdict
      for (const position of behind) verdicts[position] = verdictBehind(verdict)
    })
    return verdicts.map(verdict => this.#counted(verdict))
  }

  /** No two of the same resource. */
  async #acquireDistinct(batch: readonly Pending[]): Promise<readonly Verdict[]> {
    const [first] = batch
    if (first !== undefined && batch.length === 1) return [await this.#acquireOne(first)]
    const rows = await this.#database.run<AcquireManyRow>(this.#sql.many, manyParameters(batch))
    const bySession = new Map(rows.map(row => [row.request, row]))
    return batch.map(pending => verdictOfLone(bySession.get(pending.sessionId), pending))
  }

  async #acquireOne(pending: Pending): Promise<Verdict> {
    const parameters = oneParameters(pending)
    if (parameters === undefined) return AGAIN
    const [row] = await this.#database.run<AcquireOneRow>(this.#sql.one, parameters)
    return verdictOfLone(row, pending)
  }

  async #acquireBatch(batch: readonly Pending[]): Promise<readonly Verdict[]> {
    const [statement, guard] = this.#guarded('batch', 'guardedBatch', batch[0])
    const rows = await this.#database.run<AcquireBatchRow>(statement, [...batchParameters(batch), ...guard])
    return byRequest(batch, rows).map((own, position) =>
      this.#verdict(own, batch[position]?.request.resources.length ?? 0),
    )
  }

  async #takeOver(pending: Pending): Promise<Verdict> {
    const [statement, guard] = this.#guarded('takeOver', 'guardedTakeOver', pending)
    const rows = await this.#database.run<TakeOverRow>(statement, [...takeOverParameters(pending), ...guard])
    return this.#verdict(rows, pending.request.resources.length)
  }

  async #acquireSole(pending: Pending): Promise<Verdict> {
    const parameters = oneParameters(pending)
    if (parameters === undefined) {
      throw new TypeError('a sole lock is one resource under a session of its own')
    }
    return this.#verdict(await this.#database.run<AcquireSoleRow>(this.#sql.sole, parameters), 1)
  }

  /** The statement, and what its guard needs besides: only a request that was expanded pays for one. */
  #guarded(
    plain: 'batch' | 'takeOver',
    guarded: 'guardedBatch' | 'guardedTakeOver',
    pending: Pending | undefined,
  ): readonly [string, readonly unknown[]] {
    const version = pending?.catalogueVersion
    if (version === undefined) return [this.#sql[plain], []]
    return [this.#sql[guarded], [pending?.request.resources[0]?.namespace, version]]
  }

  /** For re-entry beyond the session: a lock that is answered as held must have been written (docs/hazards.md, H8). */
  async #touchHolders(request: AcquireRequest): Promise<readonly string[]> {
    const { resources, holder, client, reentry, isSole } = request
    if (reentry === 'session' || isSole) return []
    const wanted = resources.map(resource => ({
      ...resource,
      holder,
      client,
      byClient: reentry === 'client',
    }))
    const rows = await this.#database.run<{ id: string }>(this.#sql.touchHolders, [
      wanted.map(({ holder }) => holder),
      wanted.map(({ namespace }) => namespace),
      wanted.map(({ type }) => type),
      wanted.map(({ id }) => id),
      wanted.map(({ client }) => client),
      wanted.map(({ byClient }) => byClient),
    ])
    return rows.map(({ id }) => id)
  }

  #verdict(rows: readonly VerdictRow[], expected: number): Verdict {
    return this.#counted(verdictOf(rows, expected))
  }

  /** A request that has to be sent again is counted. */
  #counted(verdict: Verdict): Verdict {
    if (verdict.kind === 'again') {
      this.#events.retried(verdict.expired.length > 0 ? 'expired_holder' : 'contended')
    }
    return verdict
  }
}
