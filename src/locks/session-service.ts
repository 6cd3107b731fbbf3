import { requireRole, requireServiceAdmin } from './access.ts'
import { EVERY_NAMESPACE, type Principal } from './api-key.ts'
import { Refusal } from './errors.ts'
import type { Session } from './session.ts'
import type { SessionOutcome, SessionStore } from './session-store.ts'

/**
 * The rules around sessions. A session is its user's own, in every namespace; an administrator of the whole
 * service sees and ends anybody's.
 */
export class SessionService {
  readonly #store: SessionStore

  constructor(store: SessionStore) {
    this.#store = store
  }

  async create(
    principal: Principal,
    input: { id?: string | undefined; ttlSeconds: number | null; client?: string | null | undefined },
  ): Promise<{ readonly session: Session; readonly existing: boolean }> {
    requireRole(principal, 'locker')
    return liveOrRefused(
      input.id ?? '',
      await this.#store.create({
        id: input.id ?? null,
        user: principal.user,
        client: input.client ?? null,
        ttlSeconds: input.ttlSeconds,
      }),
    )
  }

  async touch(principal: Principal, sessionId: string): Promise<Session> {
    requireRole(principal, 'locker')
    return liveOrRefused(sessionId, await this.#store.touch(sessionId, principal.user)).session
  }

  async end(principal: Principal, sessionId: string): Promise<void> {
    requireRole(principal, 'locker')
    if (!(await this.#store.end(sessionId, ownerFor(principal), principal.user))) sessionNotFound(sessionId)
  }

  async get(principal: Principal, sessionId: string): Promise<Session> {
    return (await this.#store.get(sessionId, ownerFor(principal))) ?? sessionNotFound(sessionId)
  }

  /** The principal's own sessions; for an administrator of the whole service those of `user`, or all. */
  async list(
    principal: Principal,
    filter: { user?: string | undefined; afterSessionId?: string | undefined; limit: number },
  ): Promise<readonly Session[]> {
    if (filter.user !== undefined && filter.user !== principal.user) requireServiceAdmin(principal)
    return this.#store.list({ ...filter, user: filter.user ?? ownerFor(principal) ?? undefined })
  }
}

/** Null: anybody's. */
function ownerFor(principal: Principal): string | null {
  return principal.role === 'admin' && principal.namespace === EVERY_NAMESPACE ? null : principal.user
}

function liveOrRefused(
  sessionId: string,
  outcome: SessionOutcome,
): Extract<SessionOutcome, { kind: 'live' }> {
  switch (outcome.kind) {
    case 'live':
      return outcome
    case 'session_expired':
      return sessionExpired(sessionId)
    case 'session_forbidden':
      return sessionForbidden(sessionId)
    case 'session_not_found':
      return sessionNotFound(sessionId)
  }
}

export function sessionExpired(sessionId: string): never {
  throw new Refusal(
    'session_expired',
    `session ${sessionId} has ended or expired, and its locks with it; start again with a new session id`,
  )
}

export function sessionForbidden(sessionId: string): never {
  throw new Refusal('forbidden', `session ${sessionId} belongs to another user`)
}

export function sessionNotFound(sessionId: string): never {
  throw new Refusal(
    'session_not_found',
    `there is no session ${sessionId}; an acquire with \`session\` and \`ttl\` makes one`,
  )
}
