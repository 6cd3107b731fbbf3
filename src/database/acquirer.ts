import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { AcquireOutcome, AcquireRequest } from '../locks/acquire.ts'
import { DatabaseTrouble } from '../locks/errors.ts'
import { MAX_RESOURCES_PER_ACQUIRE } from '../locks/resource.ts'
import type { Database } from './database.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { type AcquireBatchRow, acquireBatchSql } from './statements/acquire-batch.ts'
import { type AcquireOneRow, acquireOneSql } from './statements/acquire-one.ts'
import { type AcquireSoleRow, acquireSoleSql } from './statements/acquire-sole.ts'
import { catalogueGuard } from './statements/catalogue-guard.ts'
import { endExpiredSql } from './statements/end-sessions.ts'
import { type TakeOverRow, takeOverSql } from './statements/take-over.ts'
import { touchHoldersSql } from './statements/touch.ts'
import { hasSqlState, SERIALIZATION_FAILURE } from './trouble.ts'

/**
 * How often a request is sent before it is answered `contended`. With 32 clients on one resource 6 tries were
 * always enough; under a standby that holds commits back no number is.
 */
const MAX_TRIES = 10

/** Of the pause before another try, in ms: about as long as the commit takes that stands in the way. */
const PAUSE_MS = { min: 1, max: 8 } as const

/** Above 64 the statement's joins cost more than the shared commit saves. */
const MAX_BATCH_REQUESTS = 64

/** A request on its way, and where its outcome belongs. */
interface Pending {
  readonly request: AcquireRequest
  readonly index: number
  readonly sessionId: string
  /** The request goes through only while the catalogue of its namespace has this version. */
  readonly catalogueVersion?: string
}

/** Undefined: no verdict yet, to be tried again. */
type Verdict = AcquireOutcome | undefined

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

  constructor(database: Database, events: AcquireEvents) {
    this.#database = database
    this.#events = events
    this.#sql = {
      one: acquireOneSql(database.schema),
      sole: acquireSoleSql(database.schema),
      batch: acquireBatchSql(database.schema),
      guardedBatch: acquireBatchSql(database.schema, catalogueGuard(database.schema, '$16', '$17')),
      takeOver: takeOverSql(database.schema),
      guardedTakeOver: takeOverSql(database.schema, catalogueGuard(database.schema, '$13', '$14')),
      endExpired: endExpiredSql(database.schema),
      touchHolders: touchHoldersSql(database.schema),
    }
  }

  async acquire(requests: readonly AcquireRequest[]): Promise<readonly AcquireOutcome[]> {
    const outcomes: AcquireOutcome[] = requests.map(() => ({ kind: 'contended' }))
    let pending: readonly Pending[] = requests.map((request, index) => ({
      request,
      index,
      sessionId: request.session.kind === 'implicit' ? randomUUID() : request.session.id,
    }))
    for (let attempt = 1; pending.length > 0 && attempt <= MAX_TRIES; attempt += 1) {
      if (attempt > 1) await delay(PAUSE_MS.min + Math.random() * (PAUSE_MS.max - PAUSE_MS.min))
      const again: Pending[] = []
      for (const batch of batchesOf(pending)) {
        const verdicts = await this.#send(batch).catch(error => {
          throw requests.length > 1 ? troubleOfMany(error) : error
        })
        batch.forEach((one, position) => {
          const verdict = verdicts[position]
          if (verdict === undefined) again.push(one)
          else outcomes[one.index] = verdict
        })
      }
      pending = again
    }
    return outcomes
  }

  /** One try of a request whose resources were read from a catalogue of that version. Undefined: read again. */
  async tryAtVersion(
    request: AcquireRequest,
    sessionId: string,
    catalogueVersion: string,
  ): Promise<AcquireOutcome | undefined> {
    const [verdict] = await this.#send([{ request, index: 0, sessionId, catalogueVersion }])
    return verdict
  }

  async #send(batch: readonly Pending[]): Promise<readonly Verdict[]> {
    try {
      const [first] = batch
      if (first !== undefined && batch.length === 1) {
        if (first.request.isSole) return [await this.#acquireSole(first)]
        if (first.request.takeover !== null || first.request.replacesOwn) return [await this.#takeOver(first)]
        if (first.catalogueVersion === undefined && isPlain(first.request))
          return [await this.#acquireOne(first)]
      }
      return await this.#acquireBatch(batch)
    } catch (error) {
      if (!hasSqlState(error, SERIALIZATION_FAILURE)) throw error
      this.#events.retried('partial_set')
      return batch.map(() => undefined)
    }
  }

  async #acquireOne({ request, sessionId }: Pending): Promise<Verdict> {
    const [resource] = request.resources
    if (resource === undefined || request.session.kind !== 'implicit') return undefined
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
    const reentrant = await this.#touchHolders(batch)
    const [statement, guard] = this.#guarded('batch', 'guardedBatch', batch[0])
    const rows = await this.#database.run<AcquireBatchRow>(statement, [
      ...batchParameters(batch, reentrant),
      ...guard,
    ])
    const byRequest = batch.map((): AcquireBatchRow[] => [])
    for (const row of rows) byRequest[row.request - 1]?.push(row)
    return Promise.all(
      byRequest.map((own, position) => this.#verdict(own, batch[position]?.request.resources.length ?? 0)),
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
  async #touchHolders(batch: readonly Pending[]): Promise<readonly string[]> {
    const reentrant = batch.filter(({ request }) => request.reentry !== 'session')
    if (reentrant.length === 0) return []
    const wanted = reentrant.flatMap(({ request: { resources, holder, client, reentry } }) =>
      resources.map(resource => ({ ...resource, holder, client, byClient: reentry === 'client' })),
    )
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
  async #verdict(
    rows: readonly (LockRow & { readonly state: State; readonly taken_from?: string | null })[],
    expected: number,
  ): Promise<Verdict> {
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
    if (expired.length > 0) await this.#database.run(this.#sql.endExpired, [[...new Set(expired)]])
    this.#events.retried(expired.length > 0 ? 'expired_holder' : 'contended')
    return undefined
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

/**
 * Splits requests so that each batch can be one statement: no resource and no session twice, within the caps,
 * and a takeover or a sole lock alone.
 */
function* batchesOf(pending: readonly Pending[]): Generator<readonly Pending[]> {
  let rest = pending
  while (rest.length > 0) {
    const batch: Pending[] = []
    const left: Pending[] = []
    const taken = new Set<string>()
    let resources = 0
    for (const one of rest) {
      const keys = [
        one.sessionId,
        ...one.request.resources.map(({ namespace, type, id }) => JSON.stringify([namespace, type, id])),
      ]
      const fits =
        batch.length === 0 ||
        (batch.length < MAX_BATCH_REQUESTS &&
          isShareable(one.request) &&
          batch[0] !== undefined &&
          isShareable(batch[0].request) &&
          resources + keys.length - 1 <= MAX_RESOURCES_PER_ACQUIRE &&
          !keys.some(key => taken.has(key)))
      if (!fits) {
        left.push(one)
        continue
      }
      batch.push(one)
      resources += keys.length - 1
      for (const key of keys) taken.add(key)
    }
    yield batch
    rest = left
  }
}

/** In the order of acquireBatchSql's parameters. */
function batchParameters(batch: readonly Pending[], reentrant: readonly string[]): readonly unknown[] {
  const sessions = batch.map(({ request }) => request.session)
  const wanted = batch.flatMap(({ request, sessionId }, position) =>
    request.resources.map(resource => ({ ...resource, sessionId, number: position + 1 })),
  )
  return [
    batch.map(({ sessionId }) => sessionId),
    batch.map(({ request }) => request.holder),
    batch.map(({ request }) => request.client),
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
    reentrant,
  ]
}
