import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { AcquireOutcome, AcquireRequest } from '../locks/acquire.ts'
import { DatabaseTrouble } from '../locks/errors.ts'
import { MAX_RESOURCES_PER_ACQUIRE } from '../locks/resource.ts'
import type { Database } from './database.ts'
import { type Batching, Gatherer } from './gatherer.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { type AcquireBatchRow, acquireBatchSql } from './statements/acquire-batch.ts'
import { type AcquireManyRow, acquireManySql } from './statements/acquire-many.ts'
import { type AcquireOneRow, acquireOneSql } from './statements/acquire-one.ts'
import { type AcquireSoleRow, acquireSoleSql } from './statements/acquire-sole.ts'
import { catalogueGuard } from './statements/catalogue-guard.ts'
import { endExpiredSql } from './statements/end-sessions.ts'
import { type TakeOverRow, takeOverSql } from './statements/take-over.ts'
import { touchHoldersSql } from './statements/touch.ts'
import { hasSqlState, isFaultOfStatement, SERIALIZATION_FAILURE } from './trouble.ts'

/**
 * How often a request is sent before it is answered `contended`. With 32 clients on one resource 6 tries were
 * always enough; under a standby that holds commits back no number is.
 */
const MAX_TRIES = 10

/** Of the pause before another try, in ms: about as long as the commit takes that stands in the way. */
const PAUSE_MS = { min: 1, max: 8 } as const

/** A request on its way. */
interface Pending {
  readonly request: AcquireRequest
  readonly sessionId: string
  /** Sessions of the same user, or user and client, that hold some of the resources and were just touched. */
  readonly reentrant: readonly string[]
  /** Of the catalogue that the resources were read from; undefined where they were named. */
  readonly catalogueVersion?: string
}

/** No verdict yet: to be tried again, once these sessions have been ended, which have expired and are in the way. */
interface Again {
  readonly kind: 'again'
  readonly expired: readonly string[]
}

type Verdict = AcquireOutcome | Again

const AGAIN: Again = { kind: 'again', expired: [] }

type State = AcquireBatchRow['state']

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

  constructor(database: Database, events: AcquireEvents, batching: Batching) {
    this.#database = database
    this.#events = events
    this.#sql = {
      one: acquireOneSql(database.schema),
      many: acquireManySql(database.schema),
      sole: acquireSoleSql(database.schema),
      batch: acquireBatchSql(database.schema),
      guardedBatch: acquireBatchSql(database.schema, catalogueGuard(database.schema, '$16', '$17')),
      takeOver: takeOverSql(database.schema),
      guardedTakeOver: takeOverSql(database.schema, catalogueGuard(database.schema, '$13', '$14')),
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
      const ended = this.#database.run(this.#sql.endExpired, [others]).finally(() => {
        for (const id of others) this.#ending.delete(id)
      })
      for (const id of others) this.#ending.set(id, ended)
    }
    await Promise.all(expired.map(id => this.#ending.get(id)))
  }

  #acquireLone(batch: readonly Pending[]): Promise<readonly Verdict[]> {
    const [first] = batch
    return first !== undefined && batch.length === 1
      ? this.#acquireOne(first).then(verdict => [verdict])
      : this.#acquireMany(batch)
  }

  async #acquireMany(batch: readonly Pending[]): Promise<readonly Verdict[]> {
    const rows = await this.#database.run<AcquireManyRow>(this.#sql.many, manyParameters(batch))
    return byRequest(batch, rows).map(own => this.#verdict(own, 1))
  }

  async #acquireOne({ request, sessionId }: Pending): Promise<Verdict> {
    const [resource] = request.resources
    if (resource === undefined || request.session.kind !== 'implicit') return AGAIN
    const rows = await this.#database.run<AcquireOneRow>(this.#sql.one, [
      resource.namespace,
      resource.type,
      resource.id,
      sessionId,
      request.holder,
      request.client,
      request.session.ttlSeconds,
      request.reference,
      JSON.stringify(request.metadata),
    ])
    return this.#verdict(rows, 1)
  }

  async #acquireBatch(batch: readonly Pending[]): Promise<readonly Verdict[]> {
    const [statement, guard] = this.#guarded('batch', 'guardedBatch', batch[0])
    const rows = await this.#database.run<AcquireBatchRow>(statement, [...batchParameters(batch), ...guard])
    return byRequest(batch, rows).map((own, position) =>
      this.#verdict(own, batch[position]?.request.resources.length ?? 0),
    )
  }

  async #takeOver(pending: Pending): Promise<Verdict> {
    const { request, sessionId } = pending
    const { session, resources } = request
    const [statement, guard] = this.#guarded('takeOver', 'guardedTakeOver', pending)
    const rows = await this.#database.run<TakeOverRow>(statement, [
      sessionId,
      request.holder,
      request.client,
      session.kind === 'existing' ? null : session.ttlSeconds,
      SESSION_KIND[session.kind],
      session.kind === 'named' && session.endsWithLastLock,
      request.reference,
      JSON.stringify(request.metadata),
      resources.map(({ namespace }) => namespace),
      resources.map(({ type }) => type),
      resources.map(({ id }) => id),
      request.takeover === null,
      ...guard,
    ])
    return this.#verdict(rows, resources.length)
  }

  async #acquireSole({ request, sessionId }: Pending): Promise<Verdict> {
    const [resource] = request.resources
    if (resource === undefined || request.resources.length > 1 || request.session.kind !== 'implicit') {
      throw new TypeError('a sole lock is one resource under a session of its own')
    }
    const rows = await this.#database.run<AcquireSoleRow>(this.#sql.sole, [
      resource.namespace,
      resource.type,
      resource.id,
      sessionId,
      request.holder,
      request.client,
      request.session.ttlSeconds,
      request.reference,
      JSON.stringify(request.metadata),
    ])
    return this.#verdict(rows, 1)
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

  /** For re-entry beyond the session: H8 of the design, a lock that is answered as held must have been written. */
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

  /** What the rows of one request, one a resource, come to. */
  #verdict(
    rows: readonly (LockRow & { readonly state: State; readonly taken_from?: string | null })[],
    expected: number,
  ): Verdict {
    if (rows.length === expected && rows.every(({ state }) => state === 'granted' || state === 'existing')) {
      const takenFrom = rows.flatMap(({ taken_from }) => taken_from ?? [])
      return {
        kind: 'granted',
        grants: rows.map(row => ({ lock: lockOf(row), existing: row.state === 'existing' })),
        count: rows.length,
        existingCount: rows.filter(({ state }) => state === 'existing').length,
        takenFrom: [...new Set(takenFrom)],
      }
    }
    for (const kind of ['session_expired', 'session_not_found', 'session_forbidden'] as const) {
      if (rows.some(({ state }) => state === kind)) return { kind }
    }
    const unknown = rows.filter(({ state }) => state === 'resource_not_found')
    if (unknown.length > 0) {
      return {
        kind: 'resource_not_found',
        resources: unknown.map(row => ({
          namespace: row.namespace,
          type: row.resource_type,
          id: row.resource_id,
        })),
      }
    }
    const conflicts = rows.filter(({ state }) => state === 'conflict')
    if (conflicts.length > 0) {
      return { kind: 'conflict', conflicts: conflicts.map(lockOf), conflictCount: conflicts.length }
    }
    const expired = rows.filter(({ state }) => state === 'expired').map(row => row.session_id)
    this.#events.retried(expired.length > 0 ? 'expired_holder' : 'contended')
    return { kind: 'again', expired: [...new Set(expired)] }
  }
}

/** What changed nothing for one request comes when others of the same call may have been granted already. */
export function troubleOfMany(error: unknown): unknown {
  if (!(error instanceof DatabaseTrouble) || error.outcome === 'unknown') return error
  return new DatabaseTrouble(error.code, 'unknown', error.message, { cause: error.cause })
}

/** How the statements call the ways to a session. */
export const SESSION_KIND = { implicit: 'new', named: 'make', existing: 'have' } as const

/** What one statement of its own is made for. */
function isPlain(request: AcquireRequest): boolean {
  return (
    request.resources.length === 1 && request.session.kind === 'implicit' && request.reentry === 'session'
  )
}

/** Whether a statement may be about other requests too. */
function isShareable(request: AcquireRequest): boolean {
  return request.takeover === null && !request.replacesOwn && !request.isSole
}

/** The rows of each request of a batch. */
function byRequest<Row extends { readonly request: number }>(
  batch: readonly Pending[],
  rows: readonly Row[],
): readonly (readonly Row[])[] {
  const found = batch.map((): Row[] => [])
  for (const row of rows) found[row.request - 1]?.push(row)
  return found
}

/** What no two requests of one statement may both have. A session is told from a resource by its form. */
function keysOf({ sessionId, request }: Pending): readonly string[] {
  return [
    sessionId,
    ...request.resources.map(({ namespace, type, id }) => JSON.stringify([namespace, type, id])),
  ]
}

/** Whether two requests that have a key in common are two of one session, and mean the same by it. */
function isSameSession(key: string, one: Pending, other: Pending): boolean {
  if (key !== one.sessionId) return false
  const [a, b] = [one.request, other.request]
  return a.holder === b.holder && a.client === b.client && isDeepStrictEqual(a.session, b.session)
}

/** In the order of acquireManySql's parameters. */
function manyParameters(batch: readonly Pending[]): readonly unknown[] {
  const resources = batch.map(({ request }) => request.resources[0])
  const requests = batch.map(({ request }) => request)
  return [
    resources.map(resource => resource?.namespace),
    resources.map(resource => resource?.type),
    resources.map(resource => resource?.id),
    batch.map(({ sessionId }) => sessionId),
    requests.map(({ holder }) => holder),
    requests.map(({ client }) => client),
    requests.map(({ session }) => (session.kind === 'existing' ? null : session.ttlSeconds)),
    requests.map(({ reference }) => reference),
    requests.map(({ metadata }) => JSON.stringify(metadata)),
  ]
}

/** In the order of acquireBatchSql's parameters. */
function batchParameters(batch: readonly Pending[]): readonly unknown[] {
  const bySession = [...new Map(batch.map(pending => [pending.sessionId, pending])).values()]
  const sessions = bySession.map(({ request }) => request.session)
  const wanted = batch.flatMap(({ request, sessionId }, position) =>
    request.resources.map(resource => ({ ...resource, sessionId, number: position + 1 })),
  )
  return [
    bySession.map(({ sessionId }) => sessionId),
    bySession.map(({ request }) => request.holder),
    bySession.map(({ request }) => request.client),
    sessions.map(session => (session.kind === 'existing' ? null : session.ttlSeconds)),
    sessions.map(session => SESSION_KIND[session.kind]),
    sessions.map(session => session.kind === 'named' && session.endsWithLastLock),
    batch.map(({ request }) => request.reentry),
    batch.map(({ request }) => request.reference),
    batch.map(({ request }) => JSON.stringify(request.metadata)),
    wanted.map(({ number }) => number),
    wanted.map(({ sessionId }) => sessionId),
    wanted.map(({ namespace }) => namespace),
    wanted.map(({ type }) => type),
    wanted.map(({ id }) => id),
    batch.flatMap(({ reentrant }) => reentrant),
  ]
}
