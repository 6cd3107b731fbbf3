import { z } from 'zod'
import { DEFAULT_TTL_SECONDS, isSessionId } from '../../locks/session.ts'
import { type Route, route } from '../route.ts'
import { EXAMPLE_SESSION } from './examples.ts'
import { presentSession, sessionJson } from './presenters.ts'
import { clientName, cursor, limit, nextCursor, pageOf, sessionId, ttl, userName } from './schemas.ts'

const oneSession = z.strictObject({ session: sessionId.meta({ description: 'The id of the session' }) })

const createBody = z
  .strictObject({
    id: sessionId.optional().meta({
      description: 'A UUID that the client made, so that the request can be repeated after a lost answer',
    }),
    ttl: ttl.optional().meta({
      description: `Seconds without a touch after which the session expires, 1 to 86400, to the millisecond; ${DEFAULT_TTL_SECONDS} unless said otherwise. Null: never`,
    }),
    client: clientName.nullable().optional(),
  })
  .meta({ id: 'SessionRequest' })

const listQuery = z.strictObject({
  user: userName
    .optional()
    .meta({ description: 'Only sessions of this user; those of others are for administrators' }),
  limit,
  cursor: cursor(isSessionId).optional(),
})

export const sessionRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/sessions',
    operationId: 'createSession',
    tag: 'Sessions',
    access: 'locker',
    summary: 'Start a session',
    description:
      'A session holds locks in any namespace and lives while it is touched. When it ends, all its locks end together.',
    body: createBody,
    bodyExamples: { usual: { summary: 'A session of a minute', value: { ttl: 60, client: 'ws-15' } } },
    replies: {
      200: {
        description: 'There already; it was touched',
        schema: sessionJson,
        example: EXAMPLE_SESSION,
      },
      201: {
        description: 'Started',
        schema: sessionJson,
        example: EXAMPLE_SESSION,
        headers: { Location: 'Where the session is' },
      },
    },
    refusals: ['forbidden', 'session_expired'],
    async handle({ services, principal, body }) {
      const { session, existing } = await services.sessions.create(principal, {
        id: body.id,
        ttlSeconds: body.ttl === undefined ? DEFAULT_TTL_SECONDS : body.ttl,
        client: body.client,
      })
      return existing
        ? { status: 200, body: presentSession(session) }
        : {
            status: 201,
            headers: { Location: `/v1/sessions/${session.id}` },
            body: presentSession(session),
          }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sessions',
    operationId: 'listSessions',
    tag: 'Sessions',
    access: 'viewer',
    summary: 'List live sessions',
    description: 'Your own; for an administrator of every namespace those of `user`, or all.',
    query: listQuery,
    replies: {
      200: {
        description: 'One page, in the order of the ids',
        schema: z.looseObject({ sessions: z.array(sessionJson), next_cursor: nextCursor }),
        example: { sessions: [EXAMPLE_SESSION], next_cursor: null },
      },
    },
    refusals: ['forbidden'],
    async handle({ services, principal, query }) {
      const found = await services.sessions.list(principal, {
        user: query.user,
        afterSessionId: query.cursor,
        limit: query.limit + 1,
      })
      const { page, nextCursor: next } = pageOf(found, query.limit)
      return { status: 200, body: { sessions: page.map(presentSession), next_cursor: next } }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/sessions/{session}',
    operationId: 'getSession',
    tag: 'Sessions',
    access: 'viewer',
    summary: 'Look at a session',
    description: 'Touches nothing.',
    params: oneSession,
    replies: { 200: { description: 'It is alive', schema: sessionJson, example: EXAMPLE_SESSION } },
    refusals: ['session_not_found'],
    async handle({ services, principal, params }) {
      return { status: 200, body: presentSession(await services.sessions.get(principal, params.session)) }
    },
  }),
  route({
    method: 'PUT',
    path: '/v1/sessions/{session}',
    operationId: 'touchSession',
    tag: 'Sessions',
    access: 'locker',
    summary: 'Touch a session',
    description:
      'It expires a whole ttl from now. Needs no body. 409 `session_expired` and 404 `session_not_found` mean that its locks are gone: stop the work that they protect.',
    params: oneSession,
    replies: { 200: { description: 'It is alive', schema: sessionJson, example: EXAMPLE_SESSION } },
    refusals: ['forbidden', 'session_expired', 'session_not_found'],
    async handle({ services, principal, params }) {
      return { status: 200, body: presentSession(await services.sessions.touch(principal, params.session)) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/sessions/{session}',
    operationId: 'endSession',
    tag: 'Sessions',
    access: 'locker',
    summary: 'End a session',
    description: 'All its locks are released with it, in one step.',
    params: oneSession,
    replies: { 204: { description: 'Ended' } },
    refusals: ['forbidden', 'session_not_found'],
    async handle({ services, principal, params }) {
      await services.sessions.end(principal, params.session)
      return { status: 204 }
    },
  }),
]
