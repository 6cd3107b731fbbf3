import { z } from 'zod'
import { MAX_METADATA_BYTES } from '../../locks/lock.ts'
import { RESOURCE_LIMITS } from '../../locks/resource.ts'
import { isSessionId, MAX_NAME_BYTES, TTL_LIMITS } from '../../locks/session.ts'

/** Longest reason of an administrator, in bytes: a sentence or two with a ticket's address. */
export const MAX_REASON_BYTES = 1024

const LARGEST_ID = 2n ** 63n - 1n
const PAGE = { least: 1, most: 1000, usual: 100 } as const

/** A text of 1 to `maxBytes` bytes of UTF-8. */
export function text(maxBytes: number) {
  return z
    .string()
    .min(1, { abort: true })
    .refine(value => value.length * 3 <= maxBytes || Buffer.byteLength(value) <= maxBytes, {
      error: `must be at most ${maxBytes} bytes of UTF-8`,
    })
    .meta({ maxLength: maxBytes })
}

export const namespace = text(RESOURCE_LIMITS.namespace).meta({
  description:
    'Compared byte for byte. In a path it is one segment, so that a slash in it is written %2F: `DEFAULT%2FREST`',
  example: 'DEFAULT/REST',
})
export const resourceType = text(RESOURCE_LIMITS.type).meta({
  description: 'What kind of thing is locked; in a path, one segment',
  example: 'defect',
})
export const resourceId = text(RESOURCE_LIMITS.id).meta({
  description: 'Which one; in a path, one segment',
  example: '2',
})
export const userName = text(MAX_NAME_BYTES).meta({ example: 'steves' })
export const clientName = text(MAX_NAME_BYTES).meta({
  description: 'The workstation or program that will hold the lock; shown to whoever waits for it',
  example: 'ws-15',
})
export const reason = text(MAX_REASON_BYTES).meta({
  description: 'Why an administrator overrides a holder; goes to the log and into the history',
  example: 'ws-15 was stolen, ticket 4711',
})

/** Numbers of locks and keys: positive and within 64 bits, in decimal without leading zeros. */
export const rowId = z
  .string()
  .refine(isRowId, { error: 'must be a positive whole number of 64 bits, in decimal' })
  .meta({ pattern: '^[1-9][0-9]{0,18}$', example: '1016' })

export function isRowId(value: string): boolean {
  return /^[1-9]\d{0,18}$/.test(value) && BigInt(value) <= LARGEST_ID
}

/** Any UUID, whatever its version; lower-cased, as PostgreSQL writes it. */
export const sessionId = z
  .string()
  .refine(isSessionId, { error: 'must be a UUID' })
  .toLowerCase()
  .meta({ format: 'uuid', example: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11' })

/** Seconds, to the millisecond. */
export const ttl = z
  .number()
  .min(TTL_LIMITS.min, { abort: true })
  .max(TTL_LIMITS.max, { abort: true })
  .refine(seconds => Math.round(seconds * 1000) / 1000 === seconds, {
    error: 'must have at most three decimals',
  })
  .nullable()
  .meta({
    description: `Seconds, ${TTL_LIMITS.min} to ${TTL_LIMITS.max}, with at most three decimals. Null: no end`,
    example: 30,
  })

/** Values are not looked into: what comes out of a body is JSON already. */
export const metadata = z
  .looseObject({})
  .refine(value => Buffer.byteLength(JSON.stringify(value)) <= MAX_METADATA_BYTES, {
    error: `must be at most ${MAX_METADATA_BYTES} bytes of JSON`,
  })
  .meta({
    description: `Whatever the client wants to keep with the lock: at most ${MAX_METADATA_BYTES} bytes of JSON`,
    example: { editor: 'web' },
  })

/** `limit` of a list. */
export const limit = z
  .string()
  .refine(value => /^[1-9]\d{0,3}$/.test(value) && Number(value) <= PAGE.most, {
    error: `must be a whole number from ${PAGE.least} to ${PAGE.most}`,
  })
  .transform(Number)
  .default(PAGE.usual)
  .meta({
    override: { type: 'integer', minimum: PAGE.least, maximum: PAGE.most, default: PAGE.usual },
    description: 'Most elements of one page',
  })

/** Where a page begins: opaque to clients, the last id of the page before to us. */
export function cursor(isId: (value: string) => boolean) {
  return z
    .string()
    .transform(value => Buffer.from(value, 'base64url').toString('latin1'))
    .refine(isId, { error: 'is not a cursor of this list: take one from an earlier page of it, or none' })
    .meta({
      override: { type: 'string' },
      description: '`next_cursor` of the page before; without it, the first page',
    })
}

export function cursorOf(lastId: string): string {
  return Buffer.from(lastId, 'latin1').toString('base64url')
}

/** Of limit + 1 elements that were asked for: the page, and the cursor if there is more. */
export function pageOf<T extends { readonly id: string }>(
  found: readonly T[],
  size: number,
): { readonly page: readonly T[]; readonly nextCursor: string | null } {
  const page = found.slice(0, size)
  const last = page.at(-1)
  return { page, nextCursor: found.length > size && last !== undefined ? cursorOf(last.id) : null }
}

export const nextCursor = z.string().nullable().meta({ description: 'Null on the last page', example: null })
