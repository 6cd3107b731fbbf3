import { isDeepStrictEqual } from 'node:util'
import type { AcquireRequest } from '../locks/acquire.ts'

/** A request on its way. */
export interface Pending {
  readonly request: AcquireRequest
  readonly sessionId: string
  /** Sessions of the same user, or user and client, that hold some of the resources and were just touched. */
  readonly reentrant: readonly string[]
  /** Of the catalogue that the resources were read from; undefined where they were named. */
  readonly catalogueVersion?: string
}

/** How the statements call the ways to a session. */
export const SESSION_KIND = { implicit: 'new', named: 'make', existing: 'have' } as const

/** What one statement of its own is made for. */
export function isPlain(request: AcquireRequest): boolean {
  return (
    request.resources.length === 1 && request.session.kind === 'implicit' && request.reentry === 'session'
  )
}

/** Whether a statement may be about other requests too. */
export function isShareable(request: AcquireRequest): boolean {
  return request.takeover === null && !request.replacesOwn && !request.isSole
}

/** The rows of each request of a batch. */
export function byRequest<Row extends { readonly request: number }>(
  batch: readonly Pending[],
  rows: readonly Row[],
): readonly (readonly Row[])[] {
  const found = batch.map((): Row[] => [])
  for (const row of rows) found[row.request - 1]?.push(row)
  return found
}

/** What no two requests of one statement may both have. A session is told from a resource by its form. */
export function keysOf({ sessionId, request }: Pending): readonly string[] {
  return [
    sessionId,
    ...request.resources.map(({ namespace, type, id }) => JSON.stringify([namespace, type, id])),
  ]
}

/** Whether two requests that have a key in common are two of one session, and mean the same by it. */
export function isSameSession(key: string, one: Pending, other: Pending): boolean {
  if (key !== one.sessionId) return false
  const [a, b] = [one.request, other.request]
  return a.holder === b.holder && a.client === b.client && isDeepStrictEqual(a.session, b.session)
}

/** In the order of acquireManySql's parameters. */
export function manyParameters(batch: readonly Pending[]): readonly unknown[] {
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
export function batchParameters(batch: readonly Pending[]): readonly unknown[] {
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

/** In the order of the parameters of acquireOneSql and acquireSoleSql. Undefined: not a request for them. */
export function oneParameters({ request, sessionId }: Pending): readonly unknown[] | undefined {
  const [resource] = request.resources
  if (resource === undefined || request.resources.length > 1 || request.session.kind !== 'implicit') {
    return undefined
  }
  return [
    resource.namespace,
    resource.type,
    resource.id,
    sessionId,
    request.holder,
    request.client,
    request.session.ttlSeconds,
    request.reference,
    JSON.stringify(request.metadata),
  ]
}

/** In the order of takeOverSql's parameters. */
export function takeOverParameters({ request, sessionId }: Pending): readonly unknown[] {
  const { session, resources } = request
  return [
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
    request.takeover?.reason ?? null,
  ]
}
