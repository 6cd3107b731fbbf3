import { Refusal } from '../../../locks/errors.ts'
import { RESOURCE_LIMITS } from '../../../locks/resource.ts'
import { namespace as namespaceName } from '../../v1/schemas.ts'
import { validated } from '../../validation.ts'
import type { WireRequest } from '../../wire-route.ts'

/** Where the locks of one repository are: the files' paths are the ids of its type. */
export interface Repository {
  readonly namespace: string
  readonly type: string
}

export const REPOSITORY_PATH = '/lfs/{namespace}/{*repository}'

const TYPE_PREFIX = 'git-lfs/'

/** What a client puts behind the address of a repository where `lfs.url` is not set, and Git's own ending. */
const ENDING = /\.git(?:\/info\/lfs)?$/

/**
 * The repository that an address names. Its name is what stands in the address, byte for byte, without an ending
 * `.git` or `.git/info/lfs`: a clone that has no `lfs.url` must find the locks of those that have.
 */
export function repositoryOf({ params }: WireRequest): Repository {
  const namespace = validated(namespaceName, params.namespace, 'path')
  const name = (params.repository ?? '').replace(ENDING, '')
  if (!isPlainPath(name)) refuse('must not have empty parts, nor `.` or `..`')
  const type = TYPE_PREFIX + name
  if (Buffer.byteLength(type) > RESOURCE_LIMITS.type) {
    refuse(`must be at most ${RESOURCE_LIMITS.type - TYPE_PREFIX.length} bytes of UTF-8`)
  }
  return { namespace, type }
}

/** Whether a text with slashes is written as Git would: another way to write it would be a second lock. */
export function isPlainPath(path: string): boolean {
  return path.split('/').every(part => part !== '' && part !== '.' && part !== '..')
}

function refuse(message: string): never {
  throw new Refusal('invalid_request', `the name of the repository in the address ${message}`, {
    fields: [{ field: 'path repository', message }],
  })
}
