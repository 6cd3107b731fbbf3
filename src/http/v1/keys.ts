import { z } from 'zod'
import { EVERY_NAMESPACE, ROLES } from '../../locks/api-key.ts'
import { RESOURCE_LIMITS } from '../../locks/resource.ts'
import { type Route, route } from '../route.ts'
import { EXAMPLE_KEY } from './examples.ts'
import { keyJson, presentKey } from './presenters.ts'
import { cursor, isRowId, limit, nextCursor, pageOf, rowId, text, userName } from './schemas.ts'

/** Ten years: longer means that nobody meant to end it, and null says that better. */
const MAX_KEY_TTL_SECONDS = 10 * 366 * 86_400

const newKeyJson = keyJson
  .extend({
    key: z.string().meta({
      description: 'The secret, shown this once',
      example: 'lh_R0lFRWtsJHRfZXhhbXBsZV9vbmx5X25vdF9hX2tleQ',
    }),
  })
  .meta({ id: 'NewKey' })

const createBody = z
  .strictObject({
    user: userName
      .refine(name => !name.includes(':'), {
        error: 'must not contain a colon, which Basic authentication could not carry',
      })
      .meta({ description: 'Who whoever shows the key is', example: 'steves' }),
    role: z.enum(ROLES).meta({
      description: '`viewer` reads, `locker` also locks, `admin` also takes over and manages keys',
      example: 'locker',
    }),
    namespace: text(RESOURCE_LIMITS.namespace).meta({
      description: `What the key is for; \`${EVERY_NAMESPACE}\` is every namespace`,
      example: 'DEFAULT/REST',
    }),
    ttl: z.int().min(1).max(MAX_KEY_TTL_SECONDS).nullable().optional().meta({
      description: 'Seconds until the key expires. Null or left out: never',
      example: null,
    }),
  })
  .meta({ id: 'KeyRequest' })

export const keyRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/keys',
    operationId: 'createKey',
    tag: 'Keys',
    access: 'admin',
    summary: 'Make a key',
    description:
      'For administrators of every namespace. The answer shows the key this once; only its hash is kept.',
    body: createBody,
    bodyExamples: {
      locker: {
        summary: 'A key that locks in one namespace',
        value: { user: 'steves', role: 'locker', namespace: 'DEFAULT/REST' },
      },
    },
    replies: {
      201: {
        description: 'Made',
        schema: newKeyJson,
        example: { ...EXAMPLE_KEY, key: 'lh_R0lFRWtsJHRfZXhhbXBsZV9vbmx5X25vdF9hX2tleQ' },
        headers: { Location: 'Where the key can be revoked' },
      },
    },
    refusals: ['forbidden'],
    async handle({ services, principal, body }) {
      const { apiKey, key } = await services.keys.create(principal, {
        user: body.user,
        role: body.role,
        namespace: body.namespace,
        ttlSeconds: body.ttl ?? null,
      })
      return {
        status: 201,
        headers: { Location: `/v1/keys/${apiKey.id}` },
        body: { ...presentKey(apiKey), key },
      }
    },
  }),
  route({
    method: 'GET',
    path: '/v1/keys',
    operationId: 'listKeys',
    tag: 'Keys',
    access: 'admin',
    summary: 'List keys in force',
    description: 'Without their secrets. For administrators of every namespace.',
    query: z.strictObject({ limit, cursor: cursor(isRowId).optional() }),
    replies: {
      200: {
        description: 'One page, in the order of the ids',
        schema: z.looseObject({ keys: z.array(keyJson), next_cursor: nextCursor }),
        example: { keys: [EXAMPLE_KEY], next_cursor: null },
      },
    },
    refusals: ['forbidden'],
    async handle({ services, principal, query }) {
      const found = await services.keys.list(principal, { afterKeyId: query.cursor, limit: query.limit + 1 })
      const { page, nextCursor: next } = pageOf(found, query.limit)
      return { status: 200, body: { keys: page.map(presentKey), next_cursor: next } }
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/keys/{key}',
    operationId: 'revokeKey',
    tag: 'Keys',
    access: 'admin',
    summary: 'Revoke a key',
    description: 'Takes effect at once on this replica and within seconds on the others.',
    params: z.strictObject({ key: rowId.meta({ description: 'The id of the key', example: '7' }) }),
    replies: { 204: { description: 'Revoked' } },
    refusals: ['forbidden', 'key_not_found'],
    async handle({ services, principal, params }) {
      await services.keys.revoke(principal, params.key)
      return { status: 204 }
    },
  }),
]
