import type { z } from 'zod'
import { parseJson } from '../../json.ts'
import { validated } from '../../validation.ts'
import type { WireRequest } from '../../wire-route.ts'
import { LFS_TYPE } from './errors.ts'

/** The body by its schema; none is the same as one without fields. */
export async function bodyOf<T>(request: WireRequest, schema: z.ZodType<T>): Promise<T> {
  const bytes = await request.body([LFS_TYPE, 'application/json'])
  return validated(schema, bytes.length === 0 ? {} : parseJson(bytes), 'body')
}
