import { z } from 'zod'
import { EVENT_KINDS, isHistoryPlace, type LockEvent } from '../../locks/history.ts'
import { type Route, route } from '../route.ts'
import { EXAMPLE_EVENT } from './examples.ts'
import {
  cursor,
  cursorOf,
  limit,
  namespace,
  nextCursor,
  resourceId,
  resourceType,
  rowId,
  sessionId,
  userName,
} from './schemas.ts'

const eventTime = z.string().meta({ format: 'date-time', example: '2026-01-06T15:13:11.123Z' })

const eventJson = z
  .looseObject({
    id: z.string().meta({
      description: 'Of two events of one resource the later one has the greater id',
      example: '2033',
    }),
    kind: z.enum(EVENT_KINDS).meta({
      description:
        '`granted`; `released` by its holder; `expired`; `session_ended`, and the lock with it; `taken_over` by an administrator, or by another session of the same user; `forced`: released by an administrator; `deleted` in the database, by hand',
    }),
    at: eventTime.meta({ description: 'When it was written; of a grant, the lock time' }),
    lock: z.string().meta({ description: 'The id of the lock', example: '1016' }),
    fencing_token: z.int().positive().meta({ example: 1099511628792 }),
    namespace: z.string().meta({ example: 'DEFAULT/REST' }),
    resource: z.looseObject({
      type: z.string().meta({ example: 'defect' }),
      id: z.string().meta({ example: '2' }),
    }),
    holder: z.string().meta({ example: 'steves' }),
    client: z.string().nullable().meta({ example: 'ws-15' }),
    session: z.string().meta({ format: 'uuid', example: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11' }),
    lock_time: eventTime.meta({ description: 'When the lock was granted' }),
    expired_at: eventTime.nullable().meta({
      description: 'Of an expired lock: when it did. The event was written when it was cleared away',
    }),
    ended_by: z.string().nullable().meta({
      description:
        'The user who ended the lock; of a deleted one, the role in the database. Null of a grant, and where the lock expired',
      example: 'steves',
    }),
    reason: z.string().nullable().meta({ description: 'Why, where somebody said so', example: null }),
  })
  .meta({ id: 'LockEvent', description: 'A grant, or the end of a lock' })

/** A time with its zone, since nobody knows the server's. */
const instant = z.iso
  .datetime({ offset: true, error: 'must be a time as in RFC 3339, such as 2026-01-06T15:13:11Z' })
  .refine(text => new Date(text).getUTCFullYear() >= 1970, { error: 'must not be before 1970' })
  .transform(text => new Date(text))

const bound = (description: string) =>
  instant.optional().meta({
    override: { type: 'string', format: 'date-time', example: '2026-01-06T15:13:11Z' },
    description,
  })

const historyQuery = z.strictObject({
  type: resourceType.optional().meta({ description: 'Only resources of this type' }),
  id: resourceId.optional().meta({ description: 'Only resources with this id' }),
  lock: rowId.optional().meta({ description: 'Only this lock' }),
  holder: userName.optional().meta({ description: 'Only locks of this user' }),
  session: sessionId.optional().meta({ description: 'Only locks of this session' }),
  kind: z.enum(EVENT_KINDS).optional().meta({ description: 'Only events of this kind' }),
  from: bound('Only events that were written then or later'),
  to: bound('Only events that were written earlier'),
  order: z.enum(['oldest', 'newest']).default('oldest').meta({ description: 'Which comes first' }),
  limit,
  cursor: cursor(isHistoryPlace).optional(),
})

export const historyRoute: Route = route({
  method: 'GET',
  path: '/v1/namespaces/{namespace}/history',
  operationId: 'listHistory',
  tag: 'History',
  access: 'viewer',
  summary: 'What became of locks',
  description:
    'Every grant and every end of a lock, as far back as the service keeps them. Read on from `resume_cursor`, later as well, and nothing is missed or comes twice: an event appears once no transaction is under way that could still come to stand before it, usually within milliseconds.',
  params: z.strictObject({ namespace }),
  query: historyQuery,
  replies: {
    200: {
      description: 'One page',
      schema: z.looseObject({
        events: z.array(eventJson),
        next_cursor: nextCursor,
        resume_cursor: z.string().nullable().meta({
          description: 'Where to read on later, also from the last page. Null: nothing was found yet',
          example: 'NzQxLjIwMzM',
        }),
      }),
      example: { events: [EXAMPLE_EVENT], next_cursor: null, resume_cursor: 'NzQxLjIwMzM' },
    },
  },
  refusals: ['forbidden'],
  async handle({ services, principal, params, query }) {
    const found = await services.history.list(principal, {
      namespace: params.namespace,
      type: query.type,
      id: query.id,
      lockId: query.lock,
      holder: query.holder,
      sessionId: query.session,
      kind: query.kind,
      from: query.from,
      to: query.to,
      order: query.order,
      after: query.cursor,
      limit: query.limit + 1,
    })
    const page = found.slice(0, query.limit)
    const last = page.at(-1)?.place ?? query.cursor
    const cursorOfPage = last === undefined ? null : cursorOf(last)
    return {
      status: 200,
      body: {
        events: page.map(presentEvent),
        next_cursor: found.length > query.limit ? cursorOfPage : null,
        resume_cursor: cursorOfPage,
      },
    }
  },
})

function presentEvent(event: LockEvent): z.infer<typeof eventJson> {
  return {
    id: event.id,
    kind: event.kind,
    at: event.at.toISOString(),
    lock: event.lockId,
    fencing_token: event.fencingToken,
    namespace: event.resource.namespace,
    resource: { type: event.resource.type, id: event.resource.id },
    holder: event.holder,
    client: event.client,
    session: event.sessionId,
    lock_time: event.lockTime.toISOString(),
    expired_at: event.expiredAt?.toISOString() ?? null,
    ended_by: event.endedBy,
    reason: event.reason,
  }
}
