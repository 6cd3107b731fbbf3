import type { z } from 'zod'
import { type FieldError, Refusal } from '../locks/errors.ts'
import { fieldName } from './json.ts'

/** Which part of a request a schema is for; it decides how its fields are named. */
export type RequestPart = 'path' | 'query' | 'body' | { readonly line: number }

/** The value that the schema makes of it, or a refusal that names every field that is wrong. */
export function validated<T>(schema: z.ZodType<T>, value: unknown, part: RequestPart): T {
  const result = schema.safeParse(value, WORDS)
  if (result.success) return result.data
  const fields = result.error.issues.flatMap(issue => fieldErrors(issue, part))
  const [first] = fields
  throw new Refusal(
    'invalid_request',
    `${first?.field ?? 'the request'} ${first?.message ?? 'is not valid'}`,
    {
      fields,
    },
  )
}

function fieldErrors(issue: z.core.$ZodIssue, part: RequestPart): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      field: fieldIn(part, [...issue.path, key]),
      message: part === 'query' ? 'is not a parameter of this call' : 'is not a field of this request',
    }))
  }
  return [{ field: fieldIn(part, issue.path), message: issue.message }]
}

function fieldIn(part: RequestPart, path: readonly PropertyKey[]): string {
  if (typeof part === 'object') return `line ${part.line} ${fieldName(path)}`
  return part === 'body' ? fieldName(path) : `${part} ${String(path[0] ?? '')}`
}

/** zod's own messages speak of types and inputs; these finish the sentence that begins with the field's name. */
const WORDS: z.core.ParseContext<z.core.$ZodIssue> = {
  error: issue => {
    switch (issue.code) {
      case 'invalid_type':
        return issue.input === undefined
          ? 'is required'
          : `must be ${ARTICLES[issue.expected] ?? issue.expected}`
      case 'invalid_value':
        return issue.input === undefined
          ? 'is required'
          : `must be ${issue.values.map(value => JSON.stringify(value)).join(' or ')}`
      case 'too_small':
        return issue.origin === 'string'
          ? 'must not be empty'
          : `must ${VERBS[issue.origin] ?? 'be'} at least ${issue.minimum}${UNITS[issue.origin] ?? ''}`
      case 'too_big':
        return `must ${VERBS[issue.origin] ?? 'be'} at most ${issue.maximum}${UNITS[issue.origin] ?? ''}`
      default:
        return undefined
    }
  },
}

const ARTICLES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'an array',
}
const VERBS: Readonly<Record<string, string>> = { array: 'have', string: 'have' }
const UNITS: Readonly<Record<string, string>> = { array: ' elements', string: ' characters' }
