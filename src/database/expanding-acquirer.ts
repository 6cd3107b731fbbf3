import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { AcquireOutcome, AcquireRequest } from '../locks/acquire.ts'
import type { Grant } from '../locks/lock.ts'
import {
  MAX_EXPANDED_RESOURCES,
  MAX_LISTED,
  MAX_RESOURCES_PER_ACQUIRE,
  type Resource,
} from '../locks/resource.ts'
import type { AcquireEvents, Acquirer } from './acquirer.ts'
import type { Database } from './database.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { SESSION_KIND } from './pending-acquire.ts'
import { type AcquireTreeRow, acquireTreeSql } from './statements/acquire-tree.ts'
import { endExpiredSql } from './statements/end-sessions.ts'
import { type ExpansionRow, ensureNamespaceSql, readExpansionSql } from './statements/expansion.ts'
import { hasSqlState, isLockTimeout, SERIALIZATION_FAILURE } from './trouble.ts'

const MAX_TRIES = 10

/** Of the pause before another try, in ms: whoever is in the way is a change of the catalogue or a large set. */
const PAUSE_MS = { min: 5, max: 50 } as const

/** Undefined: no verdict yet, to be tried again. */
type Verdict = AcquireOutcome | undefined

/**
 * Takes what resources stand for by the catalogue.
 *
 * Up to a thousand are read and then taken like every other set, by a statement that refuses if the catalogue has
 * changed since. More are a statement of their own, on connections of its own, which claims the namespace instead
 * of each resource.
 */
export class ExpandingAcquirer {
  readonly #database: Database
  readonly #bulk: Database
  readonly #acquirer: Acquirer
  readonly #events: AcquireEvents
  readonly #sql: Readonly<Record<'read' | 'ensureNamespace' | 'tree' | 'takeOverTree' | 'endExpired', string>>

  constructor(database: Database, bulk: Database, acquirer: Acquirer, events: AcquireEvents) {
    this.#database = database
    this.#bulk = bulk
    this.#acquirer = acquirer
    this.#events = events
    this.#sql = {
      read: readExpansionSql(database.schema),
      ensureNamespace: ensureNamespaceSql(database.schema),
      tree: acquireTreeSql(database.schema, false),
      takeOverTree: acquireTreeSql(database.schema, true),
      endExpired: endExpiredSql(database.schema),
    }
  }

  async acquire(request: AcquireRequest): Promise<AcquireOutcome> {
    const sessionId = request.session.kind === 'implicit' ? randomUUID() : request.session.id
    for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
      if (attempt > 1) await delay(PAUSE_MS.min + Math.random() * (PAUSE_MS.max - PAUSE_MS.min))
      try {
        const verdict = await this.#try(request, sessionId)
        if (verdict !== undefined) return verdict
      } catch (error) {
        const isPartial = hasSqlState(error, SERIALIZATION_FAILURE)
        if (!isPartial && !isLockTimeout(error)) throw error
        this.#events.retried(isPartial ? 'partial_set' : 'contended')
      }
    }
    return { kind: 'contended' }
  }

  async #try(request: AcquireRequest, sessionId: string): Promise<Verdict> {
    const rows = await this.#read(request)
    if (rows.length > MAX_RESOURCES_PER_ACQUIRE) return this.#takeTree(request, sessionId)
    const version = rows[0]?.catalogue_version ?? null
    if (version === null) {
      await this.#database.run(this.#sql.ensureNamespace, [request.resources[0]?.namespace])
      return undefined
    }
    return refusalOf(request, rows) ?? this.#takeSet(request, sessionId, rows, version)
  }

  #read({ resources, expand }: AcquireRequest): Promise<readonly ExpansionRow[]> {
    return this.#database.run<ExpansionRow>(this.#sql.read, [
      resources[0]?.namespace,
      resources.map(({ type }) => type),
      resources.map(({ id }) => id),
      expand,
      MAX_RESOURCES_PER_ACQUIRE,
    ])
  }

  async #takeSet(
    request: AcquireRequest,
    sessionId: string,
    rows: readonly ExpansionRow[],
    version: string,
  ): Promise<Verdict> {
    const others = rows.filter(row => !row.is_named).map(row => resourceOf(request, row))
    const whole = { ...request, resources: [...request.resources, ...others] }
    const outcome = await this.#acquirer.tryAtVersion(whole, sessionId, version)
    switch (outcome?.kind) {
      case 'granted':
        return { ...outcome, grants: outcome.grants.slice(0, request.resources.length) }
      case 'conflict':
        return { ...outcome, conflicts: outcome.conflicts.slice(0, MAX_LISTED) }
      default:
        return outcome
    }
  }

  async #takeTree(request: AcquireRequest, sessionId: string): Promise<Verdict> {
    const { session, resources, takeover } = request
    const rows = await this.#bulk.run<AcquireTreeRow>(
      takeover === null ? this.#sql.tree : this.#sql.takeOverTree,
      [
        sessionId,
        request.holder,
        request.client,
        session.kind === 'existing' ? null : session.ttlSeconds,
        SESSION_KIND[session.kind],
        session.kind === 'named' && session.endsWithLastLock,
        request.reference,
        JSON.stringify(request.metadata),
        resources[0]?.namespace,
        resources.map(({ type }) => type),
        resources.map(({ id }) => id),
        request.expand,
        MAX_EXPANDED_RESOURCES,
        MAX_LISTED,
        takeover === null ? request.reentry : takeover.reason,
      ],
    )
    const [first] = rows
    if (first === undefined) throw new Error('the statement for a large set answered nothing')
    switch (first.state) {
      case 'granted':
        return {
          kind: 'granted',
          grants: inOrder(request, rows),
          count: first.count,
          existingCount: first.existing_count,
          takenFrom: first.taken_from ?? [],
        }
      case 'conflict':
        return {
          kind: 'conflict',
          conflicts: rows.filter(isLock).map(lockOf),
          conflictCount: first.conflict_count,
        }
      case 'resource_not_found':
      case 'selection_has_no_children':
        return { kind: first.state, resources: rows.map(row => resourceOf(request, row)) }
      case 'too_many_resources':
        return { kind: 'too_many_resources', most: MAX_EXPANDED_RESOURCES }
      case 'expired':
        await this.#bulk.run(this.#sql.endExpired, [first.expired])
        this.#events.retried('expired_holder')
        return undefined
      case 'contended':
        this.#events.retried('contended')
        return undefined
      default:
        return { kind: first.state }
    }
  }
}

/** What can be said without looking at any lock. */
function refusalOf(request: AcquireRequest, rows: readonly ExpansionRow[]): Verdict {
  const selections = rows.filter(row => row.is_named && row.kind === 'selection')
  if (request.expand === 'children' && selections.length > 0) {
    return {
      kind: 'selection_has_no_children',
      resources: selections.map(row => resourceOf(request, row)),
    }
  }
  const missing = rows.filter(row => row.is_element && row.kind === null)
  if (missing.length === 0) return undefined
  return {
    kind: 'resource_not_found',
    resources: missing.slice(0, MAX_LISTED).map(row => resourceOf(request, row)),
  }
}

function resourceOf(
  request: AcquireRequest,
  { resource_type, resource_id }: { readonly resource_type: string; readonly resource_id: string },
): Resource {
  return { namespace: request.resources[0]?.namespace ?? '', type: resource_type, id: resource_id }
}

function isLock(row: AcquireTreeRow): row is AcquireTreeRow & LockRow {
  return row.id !== null
}

/** The grants in the order in which their resources were named. */
function inOrder(request: AcquireRequest, rows: readonly AcquireTreeRow[]): readonly Grant[] {
  const byName = new Map(
    rows.filter(isLock).map(row => [JSON.stringify([row.resource_type, row.resource_id]), row]),
  )
  return request.resources.flatMap(({ type, id }) => {
    const row = byName.get(JSON.stringify([type, id]))
    return row === undefined ? [] : [{ lock: lockOf(row), existing: row.item === 'existing' }]
  })
}
