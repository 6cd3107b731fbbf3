import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Refusal } from '../../../locks/errors.ts'
import { type JsonObject, type Lock, MAX_METADATA_BYTES, MAX_REFERENCE_BYTES } from '../../../locks/lock.ts'
import { isSessionId, MAX_NAME_BYTES } from '../../../locks/session.ts'
import { parseJson } from '../../json.ts'
import { validated } from '../../validation.ts'

/** Where the LockInfo is kept in the lock's metadata, whole. */
const METADATA_NAME = 'lock_info'

/**
 * What Terraform and OpenTofu say of a lock (`internal/states/statemgr/locker.go` in both). Only the ID is needed;
 * fields that newer versions add are kept and given back.
 */
const lockInfo = z.looseObject({
  ID: z
    .string()
    .min(1)
    .refine(id => Buffer.byteLength(id) <= MAX_REFERENCE_BYTES, {
      error: `must be at most ${MAX_REFERENCE_BYTES} bytes`,
    }),
  Operation: z.string().optional(),
  Info: z.string().optional(),
  Who: z.string().optional(),
  Version: z.string().optional(),
  Created: z.string().optional(),
  Path: z.string().optional(),
})
export type LockInfo = z.infer<typeof lockInfo>

/** The LockInfo of a body. Undefined where the body is empty: Terraform's force-unlock sends none. */
export function readLockInfo(body: Buffer, contentMd5: string | undefined): LockInfo | undefined {
  if (contentMd5 !== undefined) requireDigest(body, contentMd5)
  if (body.length === 0) return undefined
  const value = parseJson(body)
  const info = validated(lockInfo, value, 'body')
  if (Buffer.byteLength(JSON.stringify(info)) > MAX_METADATA_BYTES - METADATA_NAME.length - 8) {
    throw new Refusal('payload_too_large', `a LockInfo is at most ${MAX_METADATA_BYTES} bytes of JSON`)
  }
  return info
}

function requireDigest(body: Buffer, contentMd5: string): void {
  if (createHash('md5').update(body).digest('base64') !== contentMd5.trim()) {
    throw new Refusal(
      'invalid_request',
      'the body is not the one that was sent: Content-MD5 does not fit it',
      {
        fields: [{ field: 'header Content-MD5', message: 'is not the MD5 of the body, in base64' }],
      },
    )
  }
}

/** Whether a LockInfo names a lock and says nothing else: OpenTofu's force-unlock. */
export function isBareId(info: LockInfo): boolean {
  return Object.entries(info).every(([name, value]) => name === 'ID' || value === '' || isZeroTime(value))
}

/** Go writes a time that was never set as the year 1. */
function isZeroTime(value: unknown): boolean {
  return value === '0001-01-01T00:00:00Z'
}

/**
 * The session of a client's ID: the same for every repeat of a request, so that a repeat gets the same lock. An ID
 * that is no UUID stands for one that is made from it and the user.
 */
export function sessionIdOf(id: string, user: string): string {
  if (isSessionId(id)) return id.toLowerCase()
  const digest = createHash('sha256')
    .update(JSON.stringify(['terraform', user, id]))
    .digest('hex')
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`
}

/** What the lock's row shows beside the holder: who works where, as the client says. */
export function clientOf({ Who }: LockInfo): string | null {
  return Who === undefined || Who === '' || Buffer.byteLength(Who) > MAX_NAME_BYTES ? null : Who
}

/** It came out of a JSON text. */
export function metadataOf(info: LockInfo): JsonObject {
  return { [METADATA_NAME]: info as JsonObject }
}

/**
 * The LockInfo of a lock, as its holder declared it. For a lock that was not taken by Terraform it says what is
 * known. `Created` has to be RFC 3339: Terraform fails on anything else.
 */
export function lockInfoOf(lock: Lock): LockInfo {
  const declared = lock.metadata[METADATA_NAME]
  const known: LockInfo = {
    ID: idOf(lock),
    Operation: '',
    Info: '',
    Who: lock.client === null ? lock.holder : `${lock.holder} (${lock.client})`,
    Version: '',
    Created: lock.lockTime.toISOString(),
    Path: lock.resource.id,
  }
  const result = lockInfo.safeParse(declared)
  const info = result.success && result.data.ID === lock.reference ? result.data : known
  return {
    ...info,
    Created: timeOf(info.Created) ?? known.Created,
    Holder: lock.holder,
    LockTime: known.Created,
  }
}

/** The name of a lock towards Terraform: the client's ID, or the lock's own where it was taken through another API. */
export function idOf(lock: Lock): string {
  return lock.reference ?? lock.id
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/

function timeOf(text: string | undefined): string | undefined {
  return text !== undefined && RFC_3339.test(text) && !Number.isNaN(Date.parse(text)) ? text : undefined
}
