import { z } from 'zod'
import { type Route, route } from '../route.ts'
import { EXAMPLE_LOCK } from './examples.ts'
import { lockJson, presentLock } from './presenters.ts'
import {
  cursor,
  isRowId,
  limit,
  namespace,
  nextCursor,
  pageOf,
  reason,
  resourceId,
  resourceType,
  rowId,
  sessionId,
  userName,
} from './schemas.ts'

const inNamespace = z.strictObject({ namespace })
const oneLock = z.strictObject({ namespace, lock: rowId.meta({ description: 'The id of the lock' }) })

const lockReply = (description: string) => ({ description, schema: lockJson, example: EXAMPLE_LOCK })

const listQuery = z.strictObject({
  type: resourceType.optional().meta({ description: 'Only resources of this type' }),
  id: resourceId.optional().meta({ description: 'Only resources with this id' }),
  id_prefix: resourceId
    .optional()
    .meta({ description: 'Only resources whose id begins with this', example: 'src/' }),
  holder: userName.optional().meta({ description: 'Only locks of this user' }),
  session: sessionId.optional().meta({ description: 'Only locks of this session' }),
  limit,
  cursor: cursor(isRowId).optional(),
})

const releaseQuery = z
  .strictObject({
    force: z.enum(['true', 'false']).optional().meta({
      description: 'An administrator releases a lock of somebody else; needs `reason`',
    }),
    reason: reason.optional(),
  })
  .refine(query => query.force !== 'true' || query.reason !== undefined, {
    path: ['reason'],
    error: 'is required with force=true: say why the lock is taken from its holder',
  })

export const lockRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/namespaces/{namespace}/locks',
    operationId: 'listLocks',
    tag: 'Locks',
    access: 'viewer',
    summary: 'List live locks',
    description: 'Pages in the order of the ids. A lock that is granted meanwhile comes on the last page.',
    params: inNamespace,
    query: listQuery,
    replies: {
      200: {
        description: 'One page',
        schema: z.looseObject({ locks: z.array(lockJson), next_cursor: nextCursor }),
        example: { locks: [EXAMPLE_LOCK], next_cursor: null },
      },
    },
    refusals: ['forbidden'],
    async handle({ services, principal, params, query }) {
      const found = await services.locks.list(principal, {
        namespace: params.namespace,
        type: query.type,
        id: query.id,
        idPrefix: query.id_prefix,
        holder: query.holder,
        sessionId: query.session,
        afterLockId: query.cursor,
        limit: query.limit + 1,
      })
      const { page, nextCursor: next } = pageOf(found, query.limit)
      return { status: 200, body: { locks: page.map(presentLock), next_cursor: next } }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/namespaces/{namespace}/locks/{lock}',
    operationId: 'getLock',
    tag: 'Locks',
    access: 'viewer',
    summary: 'Look at a lock',
    description: 'Touches nothing.',
    params: oneLock,
    replies: { 200: lockReply('The lock is held') },
    refusals: ['forbidden', 'lock_not_found'],
    async handle({ services, principal, params }) {
      const lock = await services.locks.get(principal, params.namespace, params.lock)
      return { status: 200, body: presentLock(lock) }
    },
  }),
  route({
    method: 'PUT',
    path: '/v1/namespaces/{namespace}/locks/{lock}',
    operationId: 'touchLock',
    tag: 'Locks',
    access: 'locker',
    summary: 'Touch a lock',
    description:
      'Touches the session of a lock that you hold: it expires a whole ttl from now, and all its locks with it. Needs no body. 404 means that the lock is gone: stop the work that it protects.',
    params: oneLock,
    replies: { 200: lockReply('The lock is still yours') },
    refusals: ['forbidden', 'lock_not_found'],
    async handle({ services, principal, params }) {
      const lock = await services.locks.touch(principal, params.namespace, params.lock)
      return { status: 200, body: presentLock(lock) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/namespaces/{namespace}/locks/{lock}',
    operationId: 'releaseLock',
    tag: 'Locks',
    access: 'locker',
    summary: 'Release a lock',
    description:
      'Can be repeated: 404 means that the lock is gone, which is what was wanted. With `force=true` an administrator releases any lock.',
    params: oneLock,
    query: releaseQuery,
    replies: { 204: { description: 'Released' } },
    refusals: ['forbidden', 'lock_not_found'],
    async handle({ services, principal, params, query }) {
      const force =
        query.force === 'true' && query.reason !== undefined ? { reason: query.reason } : undefined
      await services.locks.release(principal, params.namespace, params.lock, force)
      return { status: 204 }
    },
  }),
]
