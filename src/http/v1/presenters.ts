import { z } from 'zod'
import type { ApiKey } from '../../locks/api-key.ts'
import { ROLES } from '../../locks/api-key.ts'
import type { Grant, Lock } from '../../locks/lock.ts'
import type { Session } from '../../locks/session.ts'

const time = z.string().meta({
  format: 'date-time',
  description: 'UTC, to the millisecond',
  example: '2026-01-06T15:13:11.123Z',
})
const secondsLeft = z.number().nullable().meta({
  description:
    'Seconds left when the database answered, so that no synchronised clock is needed. Null: no end',
  example: 30,
})

export const lockJson = z
  .looseObject({
    id: z.string().meta({ description: 'A new one for every grant', example: '1016' }),
    fencing_token: z.int().positive().meta({
      description:
        'Greater than that of every earlier grant of the same resource. Send it with every write to the resource, which refuses smaller ones than it has seen',
      example: 1099511628792,
    }),
    namespace: z.string().meta({ example: 'DEFAULT/REST' }),
    resource: z.looseObject({
      type: z.string().meta({ example: 'defect' }),
      id: z.string().meta({ example: '2' }),
    }),
    holder: z.string().meta({ description: 'The user that the key belongs to', example: 'steves' }),
    client: z.string().nullable().meta({ example: 'ws-15' }),
    session: z.string().meta({ format: 'uuid', example: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11' }),
    reference: z.string().nullable().meta({ example: null }),
    metadata: z.looseObject({}).meta({ example: {} }),
    lock_time: time.meta({ description: 'When the lock was granted' }),
    session_last_touch: time.meta({ description: 'Last sign of life of the session' }),
    expires_at: time.nullable().meta({ description: 'Null: held until released' }),
    expires_in: secondsLeft,
  })
  .meta({ id: 'Lock', description: 'One grant of one resource to one session' })

export const grantJson = lockJson
  .extend({
    existing: z
      .boolean()
      .meta({ description: 'True: this session (or user) held the lock already', example: false }),
  })
  .meta({ id: 'Grant', description: 'A lock as an acquire answers it' })

export const sessionJson = z
  .looseObject({
    id: z.string().meta({ format: 'uuid', example: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11' }),
    user: z.string().meta({ example: 'steves' }),
    client: z.string().nullable().meta({ example: 'ws-15' }),
    ttl: z.number().nullable().meta({ description: 'Seconds. Null: no end', example: 30 }),
    started: time,
    last_touch: time,
    expires_at: time.nullable(),
    expires_in: secondsLeft,
    ends_with_last_lock: z.boolean().meta({ example: false }),
  })
  .meta({
    id: 'Session',
    description: 'A client instance of a user. When it ends, all its locks end with it',
  })

export const keyJson = z
  .looseObject({
    id: z.string().meta({ example: '7' }),
    user: z.string().meta({ example: 'steves' }),
    role: z.enum(ROLES).meta({ example: 'locker' }),
    namespace: z.string().meta({ description: 'What the key is for; `*` is every namespace', example: '*' }),
    created: time,
    expires_at: time.nullable(),
  })
  .meta({ id: 'Key', description: 'A key without its secret' })

export function presentLock(lock: Lock): z.infer<typeof lockJson> {
  return {
    id: lock.id,
    fencing_token: lock.fencingToken,
    namespace: lock.resource.namespace,
    resource: { type: lock.resource.type, id: lock.resource.id },
    holder: lock.holder,
    client: lock.client,
    session: lock.sessionId,
    reference: lock.reference,
    metadata: lock.metadata,
    lock_time: lock.lockTime.toISOString(),
    session_last_touch: lock.sessionLastTouch.toISOString(),
    expires_at: lock.expiresAt?.toISOString() ?? null,
    expires_in: seconds(lock.expiresInSeconds),
  }
}

export function presentGrant(grant: Grant): z.infer<typeof grantJson> {
  return { ...presentLock(grant.lock), existing: grant.existing }
}

export function presentSession(session: Session): z.infer<typeof sessionJson> {
  return {
    id: session.id,
    user: session.user,
    client: session.client,
    ttl: session.ttlSeconds,
    started: session.started.toISOString(),
    last_touch: session.lastTouch.toISOString(),
    expires_at: session.expiresAt?.toISOString() ?? null,
    expires_in: seconds(session.expiresInSeconds),
    ends_with_last_lock: session.endsWithLastLock,
  }
}

export function presentKey(key: ApiKey): z.infer<typeof keyJson> {
  return {
    id: key.id,
    user: key.user,
    role: key.role,
    namespace: key.namespace,
    created: key.created.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
  }
}

/** Whole milliseconds: the database measures finer than anybody can use. */
function seconds(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000
}
