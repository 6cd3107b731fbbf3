import { requireNamespace, requireRole } from './access.ts'
import type { AcquireOutcome, AcquireRequest, Expand, SessionChoice } from './acquire.ts'
import type { Principal } from './api-key.ts'
import { Refusal } from './errors.ts'
import type { JsonObject, Lock } from './lock.ts'
import type { LockFilter, LockStore } from './lock-store.ts'
import type { ReleaseChoice, ReleaseOutcome } from './release.ts'
import { MAX_LISTED_WHOLE, MAX_RESOURCES_PER_ACQUIRE, type Resource } from './resource.ts'
import { DEFAULT_TTL_SECONDS } from './session.ts'

/** What a caller asks for; `undefined` means that the caller did not say. */
export interface AcquireInput {
  readonly resources: readonly Resource[]
  /** What the resources stand for; themselves alone unless said otherwise. */
  readonly expand?: Expand | undefined
  /** A session's id. With a ttl the session is made on first use. */
  readonly sessionId?: string | undefined
  /** Null: until released. */
  readonly ttlSeconds?: number | null | undefined
  /** Of a session made by this acquire. On by default, so that a late duplicate meets a tombstone. */
  readonly endsWithLastLock?: boolean | undefined
  readonly client?: string | null | undefined
  readonly reentry?: AcquireRequest['reentry'] | undefined
  readonly takeover?: boolean | undefined
  /** True: a lock of the same user in another session becomes a new grant in this one. */
  readonly replacesOwn?: boolean | undefined
  /** True: the user has one such lock on the type, and gives up an earlier one for it. */
  readonly isSole?: boolean | undefined
  /** Why an administrator takes over; required with `takeover`. */
  readonly reason?: string | undefined
  readonly reference?: string | null | undefined
  readonly metadata?: JsonObject | undefined
}

/** What an administrator did to somebody else's lock. */
export interface AuditEvent {
  readonly event: 'lock_taken_over' | 'lock_force_released'
  readonly by: string
  readonly reason: string
  readonly namespace: string
  /** Of many locks at once, some of them; `count` has them all. */
  readonly lockIds: readonly string[]
  readonly count: number
  readonly holders: readonly string[]
}

/**
 * The rules around locks, the same for every API:
 *
 * 1. The holder is the principal's user, whatever a body says.
 * 2. A role below locker changes nothing; a key of another namespace sees nothing.
 * 3. Only an administrator takes over or releases somebody else's lock, and says why.
 * 4. A lock without end needs a session that the client named, or re-entry by user or client: otherwise a lost
 *    answer would leave a lock that nobody can find.
 *
 * Exclusion, order of tokens and time are not decided here but in the database: see LockStore.
 */
export class LockService {
  readonly #store: LockStore
  readonly #audit: (event: AuditEvent) => void

  constructor(store: LockStore, audit: (event: AuditEvent) => void) {
    this.#store = store
    this.#audit = audit
  }

  async acquire(principal: Principal, input: AcquireInput): Promise<AcquireOutcome> {
    requireRole(principal, 'locker')
    for (const { namespace } of input.resources) requireNamespace(principal, namespace)
    requireDistinct(input.resources)
    const takeover = takeoverOf(principal, input)
    const [outcome] = await this.#store.acquire([
      {
        resources: input.resources,
        expand: input.expand ?? 'none',
        holder: principal.user,
        client: input.client ?? null,
        session: sessionChoice(input),
        reentry: input.reentry ?? 'session',
        takeover,
        replacesOwn: input.replacesOwn ?? false,
        isSole: input.isSole ?? false,
        reference: input.reference ?? null,
        metadata: input.metadata ?? {},
      },
    ])
    if (outcome === undefined) throw new Error('the store answered no outcome for a request')
    if (takeover !== null && outcome.kind === 'granted' && outcome.takenFrom.length > 0) {
      const taken = outcome.grants.filter(grant => !grant.existing)
      this.#audit({
        event: 'lock_taken_over',
        by: principal.user,
        reason: takeover.reason,
        namespace: input.resources[0]?.namespace ?? '',
        lockIds: taken.map(grant => grant.lock.id),
        count: outcome.count - outcome.existingCount,
        holders: outcome.takenFrom,
      })
    }
    return outcome
  }

  /** Touches the session of a lock that the principal holds. */
  async touch(principal: Principal, namespace: string, lockId: string): Promise<Lock> {
    requireRole(principal, 'locker')
    requireNamespace(principal, namespace)
    const lock = await this.#store.touch({ namespace, lockId, holder: principal.user })
    return lock ?? (await this.#refuse(namespace, lockId))
  }

  async release(
    principal: Principal,
    namespace: string,
    lockId: string,
    force?: { readonly reason: string },
  ): Promise<void> {
    requireRole(principal, force === undefined ? 'locker' : 'admin')
    requireNamespace(principal, namespace)
    const released =
      force === undefined
        ? await this.#store.release({ namespace, lockId, holder: principal.user })
        : await this.#store.forceRelease({ namespace, lockId }, { by: principal.user, reason: force.reason })
    if (released === undefined) return this.#refuse(namespace, lockId)
    if (force !== undefined && released.holder !== principal.user) {
      this.#audit({
        event: 'lock_force_released',
        by: principal.user,
        reason: force.reason,
        namespace,
        lockIds: [lockId],
        count: 1,
        holders: [released.holder],
      })
    }
  }

  /** Releases many locks of the principal together, or none; with `force` whosever they are. */
  async releaseSet(
    principal: Principal,
    selection: ReleaseChoice,
    force?: { readonly reason: string },
  ): Promise<ReleaseOutcome> {
    requireRole(principal, force === undefined ? 'locker' : 'admin')
    requireNamespace(principal, selection.namespace)
    const outcome = await this.#store.releaseSet(
      force === undefined
        ? { ...selection, holder: principal.user }
        : { ...selection, holder: null, force: { by: principal.user, reason: force.reason } },
    )
    if (force !== undefined && outcome.kind === 'released') {
      const holders = outcome.holders.filter(user => user !== principal.user)
      if (holders.length > 0) {
        this.#audit({
          event: 'lock_force_released',
          by: principal.user,
          reason: force.reason,
          namespace: selection.namespace,
          lockIds: outcome.locks.filter(lock => lock.holder !== principal.user).map(lock => lock.lockId),
          count: outcome.count,
          holders,
        })
      }
    }
    return outcome
  }

  async get(principal: Principal, namespace: string, lockId: string): Promise<Lock> {
    requireNamespace(principal, namespace)
    return (await this.#store.get(namespace, lockId)) ?? lockNotFound(lockId)
  }

  async find(principal: Principal, resource: Resource): Promise<Lock | undefined> {
    requireNamespace(principal, resource.namespace)
    return this.#store.find(resource)
  }

  async list(principal: Principal, filter: LockFilter): Promise<readonly Lock[]> {
    requireNamespace(principal, filter.namespace)
    return this.#store.list(filter)
  }

  /**
   * The live locks of a resource and of everything that it stands for by the catalogue, in the order of their types
   * and ids. `isWhole` is false where MAX_LISTED_WHOLE of them are not all.
   */
  async listBelow(
    principal: Principal,
    resource: Resource,
    expand: Expand,
  ): Promise<{ readonly locks: readonly Lock[]; readonly isWhole: boolean }> {
    requireNamespace(principal, resource.namespace)
    const found = await this.#store.listBelow(resource, expand, MAX_LISTED_WHOLE + 1)
    return { locks: found.slice(0, MAX_LISTED_WHOLE), isWhole: found.length <= MAX_LISTED_WHOLE }
  }

  /** Nothing was changed; a second look tells another's lock from none at all. */
  async #refuse(namespace: string, lockId: string): Promise<never> {
    const lock = await this.#store.get(namespace, lockId)
    if (lock === undefined) return lockNotFound(lockId)
    throw new Refusal('forbidden', `lock ${lockId} is held by ${lock.holder}`)
  }
}

function lockNotFound(lockId: string): never {
  throw new Refusal(
    'lock_not_found',
    `there is no lock ${lockId} here: it was released, has expired, or never was`,
  )
}

function takeoverOf(principal: Principal, input: AcquireInput): AcquireRequest['takeover'] {
  if (input.takeover !== true) return null
  requireRole(principal, 'admin')
  if (input.reason === undefined) {
    throw new Refusal('invalid_request', 'a takeover needs a reason', {
      fields: [{ field: 'reason', message: 'say why the lock changes hands' }],
    })
  }
  return { reason: input.reason }
}

function sessionChoice(input: AcquireInput): SessionChoice {
  const { sessionId, ttlSeconds } = input
  if (sessionId === undefined) {
    if (ttlSeconds === null && (input.reentry ?? 'session') === 'session') {
      throw new Refusal('invalid_request', 'a lock without end needs a session', {
        fields: [
          {
            field: 'ttl',
            message:
              'null needs `session`, a UUID made by the client, or `reentry` by user: without it a lost answer would be lost for ever',
          },
        ],
      })
    }
    return { kind: 'implicit', ttlSeconds: ttlSeconds === undefined ? DEFAULT_TTL_SECONDS : ttlSeconds }
  }
  if (ttlSeconds === undefined) return { kind: 'existing', id: sessionId }
  return { kind: 'named', id: sessionId, ttlSeconds, endsWithLastLock: input.endsWithLastLock ?? true }
}

function requireDistinct(resources: readonly Resource[]): void {
  if (resources.length === 0 || resources.length > MAX_RESOURCES_PER_ACQUIRE) {
    throw new Refusal('invalid_request', `an acquire names 1 to ${MAX_RESOURCES_PER_ACQUIRE} resources`, {
      fields: [{ field: 'resources', message: `has ${resources.length}` }],
    })
  }
  const seen = new Map<string, number>()
  resources.forEach((resource, index) => {
    const key = JSON.stringify([resource.namespace, resource.type, resource.id])
    const first = seen.get(key)
    if (first !== undefined) {
      throw new Refusal('invalid_request', 'a resource is named twice', {
        fields: [{ field: `resources[${index}]`, message: `is the same as resources[${first}]` }],
      })
    }
    seen.set(key, index)
  })
}
