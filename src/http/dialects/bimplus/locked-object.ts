import { z } from 'zod'
import { Refusal } from '../../../locks/errors.ts'
import { RESOURCE_LIMITS, type Resource } from '../../../locks/resource.ts'
import { validated } from '../../validation.ts'
import type { WireRequest } from '../../wire-route.ts'

/** Bimplus knows one kind of thing that can be locked; selections are objects too. */
export const OBJECT_TYPE = 'object'

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

const text = (maxBytes: number) =>
  z.string().refine(value => Buffer.byteLength(value) <= maxBytes, {
    error: `must be at most ${maxBytes} bytes of UTF-8`,
  })
const pathParams = z.object({ team: text(RESOURCE_LIMITS.namespace), id: text(RESOURCE_LIMITS.id) })

/**
 * What a path names. GUIDs are the same in upper and lower case, so they are written in lower case here: an object
 * with two names would be two locks. Any other id is taken as it is.
 */
export function objectOf({ params }: WireRequest): Resource {
  const { team, id } = validated(pathParams, params, 'path')
  return { namespace: team, type: OBJECT_TYPE, id: GUID.test(id) ? id.toLowerCase() : id }
}

/** A yes or no of the query; undefined where it is left out. */
export function flagOf({ query }: WireRequest, name: 'withChildren' | 'asAdmin'): boolean | undefined {
  const [value, ...more] = query.getAll(name)
  if (value === undefined) return undefined
  const flag = more.length > 0 ? undefined : { true: true, false: false }[value.toLowerCase()]
  if (flag === undefined) {
    const message = 'must be true or false, and given once'
    throw new Refusal('invalid_request', `${name} ${message}`, {
      fields: [{ field: `query ${name}`, message }],
    })
  }
  return flag
}
