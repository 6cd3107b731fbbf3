import { z } from 'zod'
import { Refusal } from '../../locks/errors.ts'
import { type JsonObject, type Lock, MAX_REFERENCE_BYTES } from '../../locks/lock.ts'
import type { AcquireInput } from '../../locks/lock-service.ts'
import { MAX_RESOURCES_PER_ACQUIRE, type Resource } from '../../locks/resource.ts'
import { type AcquireAnswer, acquireLocks } from '../acquiring.ts'
import { PROBLEM_TYPE, problemDocument } from '../problem.ts'
import { type Reply, route } from '../route.ts'
import { EXAMPLE_GRANT } from './examples.ts'
import { grantJson, presentGrant, presentLock } from './presenters.ts'
import {
  clientName,
  metadata,
  namespace,
  reason,
  resourceId,
  resourceType,
  sessionId,
  text,
  ttl,
} from './schemas.ts'

const acquireBody = z
  .strictObject({
    resources: z
      .array(z.strictObject({ type: resourceType, id: resourceId }))
      .min(1)
      .max(MAX_RESOURCES_PER_ACQUIRE)
      .meta({ description: 'Taken all or none' }),
    with_children: z.boolean().optional().meta({
      description:
        'By the catalogue: objects with everything below them, at any depth, and selections with their elements; at most 200,000 resources in all, all or none',
      example: false,
    }),
    ttl: ttl.optional().meta({
      description:
        'Seconds until the session expires unless it is touched, 1 to 86400, to the millisecond. Without `session` the default is 30. Null, which needs `session` or `reentry` by user: until released',
    }),
    session: sessionId.optional().meta({
      description:
        'A UUID. With `ttl` the session is made on first use, and the request can be repeated after a lost answer; without, it must exist. Left out, the lock gets a session of its own',
    }),
    reentry: z.enum(['session', 'user']).optional().meta({
      description:
        'Whose locks count as held already: those of this session (the default), or of every session of the same user',
      example: 'session',
    }),
    takeover: z.boolean().optional().meta({
      description: 'An administrator takes over what others hold; needs `reason`',
      example: false,
    }),
    reason: reason.optional(),
    metadata: metadata.optional(),
    reference: text(MAX_REFERENCE_BYTES)
      .nullable()
      .optional()
      .meta({ description: 'An id that the client brings', example: 'build-4711' }),
    client: clientName.nullable().optional(),
    ends_with_last_lock: z.boolean().optional().meta({
      description:
        'Of a session made by this acquire: whether it ends when its last lock does. True unless said otherwise',
      example: true,
    }),
  })
  .refine(
    body => body.ends_with_last_lock === undefined || (body.session !== undefined && body.ttl !== undefined),
    { path: ['ends_with_last_lock'], error: 'needs `session` and `ttl`: it is about a session made here' },
  )
  .meta({ id: 'AcquireRequest' })

const grantsJson = z.looseObject({
  locks: z.array(grantJson).meta({ description: 'Of the resources that the request names, in its order' }),
  count: z
    .int()
    .meta({ description: 'All locks of the set, those of children and elements too', example: 1 }),
})

export const acquireRoute = route({
  method: 'POST',
  path: '/v1/namespaces/{namespace}/locks',
  operationId: 'acquireLocks',
  tag: 'Locks',
  access: 'locker',
  summary: 'Acquire locks',
  description:
    'Takes all the resources or none of them. The holder is the user of the key. To be able to repeat the request after a lost answer, name a `session` of your own making: the repeat gives the same locks.',
  params: z.strictObject({ namespace }),
  body: acquireBody,
  bodyExamples: {
    one: { summary: 'One resource', value: { resources: [{ type: 'defect', id: '2' }], ttl: 30 } },
    repeatable: {
      summary: 'A set, in a way that can be repeated',
      value: {
        session: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11',
        ttl: 60,
        client: 'ws-15',
        resources: [
          { type: 'defect', id: '2' },
          { type: 'defect', id: '3' },
        ],
        metadata: { editor: 'web' },
      },
    },
    withChildren: {
      summary: 'A folder with everything in it',
      value: {
        session: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11',
        ttl: 60,
        resources: [{ type: 'folder', id: '1' }],
        with_children: true,
      },
    },
  },
  replies: {
    200: {
      description: 'Every lock was held already',
      schema: grantsJson,
      example: { locks: [{ ...EXAMPLE_GRANT, existing: true }], count: 1 },
    },
    201: {
      description: 'Granted. `existing` tells which of them were held already',
      schema: grantsJson,
      example: { locks: [EXAMPLE_GRANT], count: 1 },
      headers: { Location: 'Where the lock is; with one lock only' },
    },
  },
  refusals: [
    'forbidden',
    'lock_conflict',
    'session_expired',
    'session_not_found',
    'resource_not_found',
    'resource_contended',
  ],
  async handle({ services, principal, requestId, params, body }) {
    const input = inputOf(params.namespace, body)
    return replyTo(await acquireLocks(services, principal, input), input, requestId)
  },
})

function inputOf(namespaceOfPath: string, body: z.infer<typeof acquireBody>): AcquireInput {
  return {
    resources: body.resources.map(({ type, id }) => ({ namespace: namespaceOfPath, type, id })),
    sessionId: body.session,
    expand: body.with_children === true ? 'contents' : 'none',
    ttlSeconds: body.ttl,
    endsWithLastLock: body.ends_with_last_lock,
    client: body.client,
    reentry: body.reentry,
    takeover: body.takeover,
    reason: body.reason,
    reference: body.reference,
    // it came out of a JSON text
    metadata: body.metadata as JsonObject | undefined,
  }
}

function replyTo(outcome: AcquireAnswer, input: AcquireInput, requestId: string): Reply {
  switch (outcome.kind) {
    case 'granted': {
      const body = { locks: outcome.grants.map(presentGrant), count: outcome.count }
      if (outcome.existingCount === outcome.count) return { status: 200, body }
      const [only] = outcome.count === 1 ? outcome.grants : []
      return {
        status: 201,
        ...(only !== undefined && { headers: { Location: locationOf(only.lock) } }),
        body,
      }
    }
    case 'conflict':
      return conflictReply(outcome, requestId)
    case 'resource_not_found':
      return resourcesNotFound(outcome.resources, input)
    case 'selection_has_no_children':
      return invalid('resources', 'a selection has elements and no children')
    case 'too_many_resources':
      return invalid('resources', `stand for more than ${outcome.most} resources; name smaller parts`)
  }
}

function resourcesNotFound(unknown: readonly Resource[], { resources }: AcquireInput): never {
  const [first] = unknown
  const fields = unknown.map(({ type, id }) => {
    const index = resources.findIndex(wanted => wanted.type === type && wanted.id === id)
    return index >= 0
      ? { field: `resources[${index}]`, message: 'is not in the catalogue' }
      : { field: 'with_children', message: `the element ${type} ${id} is not in the catalogue` }
  })
  const isNamed = fields[0]?.field !== 'with_children'
  throw new Refusal(
    'resource_not_found',
    isNamed
      ? `the namespace is closed, and its catalogue has no ${first?.type} ${first?.id}`
      : `the catalogue has no ${first?.type} ${first?.id}, which is an element of a selection`,
    { fields },
  )
}

function invalid(field: string, message: string): never {
  throw new Refusal('invalid_request', `${field}: ${message}`, { fields: [{ field, message }] })
}

function locationOf(lock: Lock): string {
  return `/v1/namespaces/${encodeURIComponent(lock.resource.namespace)}/locks/${lock.id}`
}

function conflictReply(
  { conflicts, conflictCount }: Extract<AcquireAnswer, { kind: 'conflict' }>,
  requestId: string,
): Reply {
  const holders = [...new Set(conflicts.map(lock => lock.holder))]
  const detail =
    conflictCount === 1
      ? `${holders[0]} holds the lock`
      : `${conflictCount} locks are held by others; nothing was taken`
  const retryAfter = retryAfterOf(conflicts)
  return {
    status: 409,
    type: PROBLEM_TYPE,
    ...(retryAfter !== undefined && { headers: { 'Retry-After': String(retryAfter) } }),
    body: problemDocument('lock_conflict', detail, requestId, {
      conflicts: conflicts.map(presentLock),
      conflict_count: conflictCount,
    }),
  }
}

/** When all could be free if nobody touched them. Undefined: one of them has no end. */
function retryAfterOf(conflicts: readonly Lock[]): number | undefined {
  let longest = 1
  for (const { expiresInSeconds } of conflicts) {
    if (expiresInSeconds === null) return undefined
    longest = Math.max(longest, Math.ceil(expiresInSeconds))
  }
  return longest
}
