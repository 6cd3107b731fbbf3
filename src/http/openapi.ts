import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponseObject } from 'zod-openapi'
import { ERROR_CODES, type ErrorCode } from '../locks/errors.ts'
import { ERROR_ANSWERS } from './failure.ts'
import { NDJSON } from './ndjson.ts'
import { PROBLEM_TYPE, problemDocument } from './problem.ts'
import type { DocumentedReply, ProtectedRoute, Route } from './route.ts'
import { PROBLEM_EXAMPLES } from './v1/examples.ts'
import { lockJson } from './v1/presenters.ts'

const EXAMPLE_REQUEST_ID = '6f1c9a52-7b0e-4a35-9a2c-0f3f6c1f7d11'

/** What every call can be refused with. */
const SHARED: readonly ErrorCode[] = ['invalid_request', 'uri_too_long', 'internal']
const WITH_KEY: readonly ErrorCode[] = [
  'unauthenticated',
  'rate_limited',
  'database_unavailable',
  'database_timeout',
]
const WITH_BODY: readonly ErrorCode[] = ['payload_too_large', 'unsupported_media_type']

const problemJson = z
  .looseObject({
    type: z.string().meta({ description: '`urn:leasehold:error:` and the code' }),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'What is so, and what the caller can do' }),
    code: z.enum(ERROR_CODES).meta({ description: 'Stable; new ones may come' }),
    request_id: z
      .string()
      .meta({ description: 'Also in the header X-Request-Id, and in the log of the service' }),
    errors: z
      .array(z.looseObject({ field: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'The places in the request that are wrong' }),
    conflicts: z.array(lockJson).optional().meta({
      description:
        'With `lock_conflict`: every lock that is in the way; with `with_children` at most 100 of them',
    }),
    conflict_count: z
      .int()
      .optional()
      .meta({ description: 'With `lock_conflict`: how many locks are in the way' }),
    outcome: z.enum(['unchanged', 'unknown']).optional().meta({
      description:
        'With trouble of the database: `unknown` says that the change may have happened. An acquire, touch or release that names the same session or lock can be sent again',
    }),
  })
  .meta({ id: 'Problem', description: 'A problem document of RFC 9457' })

/** OpenAPI 3.1 from the table of routes: what is not in the table is neither served nor documented. */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const route of routes) {
    if (route.access === 'public' && route.isHidden === true) continue
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) }
  }
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Leasehold',
      version: '1.0.0',
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This service' }],
    tags: [
      { name: 'Locks', description: 'Acquire, touch, release and look at locks' },
      { name: 'History', description: 'What became of locks' },
      { name: 'Sessions', description: 'What locks belong to: a session ends, and all its locks with it' },
      { name: 'Keys', description: 'Who may do what; for administrators' },
      { name: 'Operation', description: 'For probes, scrapers and readers' },
    ],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'The key' },
        basic: { type: 'http', scheme: 'basic', description: 'The user of the key, and the key as password' },
      },
    },
  })
}

const INTRODUCTION = `A lock is a row in PostgreSQL: what was answered is durable.

A client acquires a lock, touches it before its ttl has run out, sends its \`fencing_token\` with every write to the
resource, and releases it. Locks belong to sessions; a lock without one gets a session of its own.

Errors are \`application/problem+json\` with a stable \`code\`. An answer of 503 or 504 says nothing about a lock: not
that it is free, nor that it is held, nor that it was released.`

function operationOf(route: Route): ZodOpenApiOperationObject {
  const isProtected = route.access !== 'public'
  const description = isProtected
    ? `${route.description}\n\nNeeds the role \`${route.access}\`.`
    : route.description
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    description,
    security: isProtected ? [{ bearer: [] }, { basic: [] }] : [],
    ...(isProtected && requestOf(route)),
    responses: responsesOf(route),
  }
}

function requestOf(route: ProtectedRoute<unknown, unknown, unknown>): Partial<ZodOpenApiOperationObject> {
  return {
    ...((route.params !== undefined || route.query !== undefined) && {
      requestParams: {
        ...(route.params !== undefined && { path: asObject(route.params) }),
        ...(route.query !== undefined && { query: asObject(route.query) }),
      },
    }),
    ...(route.lines !== undefined && {
      requestBody: { required: true, content: { [NDJSON]: { schema: route.lines } } },
    }),
    ...(route.body !== undefined && {
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: route.body,
            ...(route.bodyExamples !== undefined && { examples: route.bodyExamples }),
          },
        },
      },
    }),
  }
}

function asObject(schema: z.ZodType): z.ZodObject {
  if (schema instanceof z.ZodObject) return schema
  throw new Error('the parameters of a route are described by an object schema')
}

function responsesOf(route: Route): Record<`${number}`, ZodOpenApiResponseObject> {
  const responses: Record<string, ZodOpenApiResponseObject> = {}
  for (const [status, reply] of Object.entries(route.replies)) responses[status] = responseOf(reply)
  for (const [status, codes] of codesByStatus(route)) responses[status] = problemResponse(status, codes)
  return responses
}

function codesByStatus(route: Route): Map<number, ErrorCode[]> {
  const groups = new Map<number, ErrorCode[]>()
  for (const code of codesOf(route)) {
    const { status } = ERROR_ANSWERS[code]
    groups.set(status, [...(groups.get(status) ?? []), code])
  }
  return groups
}

function codesOf(route: Route): readonly ErrorCode[] {
  return [
    ...route.refusals,
    ...SHARED,
    ...(route.access === 'public' ? [] : WITH_KEY),
    ...(route.access !== 'public' && (route.body ?? route.lines) !== undefined ? WITH_BODY : []),
  ]
}

function responseOf(reply: DocumentedReply): ZodOpenApiResponseObject {
  return {
    description: reply.description,
    ...(reply.headers !== undefined && { headers: headersOf(reply.headers) }),
    ...(reply.schema !== undefined && {
      content: {
        [reply.type ?? 'application/json']: {
          schema: reply.schema,
          ...(reply.example !== undefined && { example: reply.example }),
        },
      },
    }),
  }
}

function problemResponse(status: number, codes: readonly ErrorCode[]): ZodOpenApiResponseObject {
  const headers: Record<string, string> = {}
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer and Basic'
  if (codes.some(code => code in RETRY_AFTER)) {
    headers['Retry-After'] = codes
      .map(code => RETRY_AFTER[code])
      .filter(text => text !== undefined)
      .join('; ')
  }
  return {
    description: `${STATUS_CODES[status]}: ${codes.map(code => `\`${code}\``).join(', ')}`,
    ...(Object.keys(headers).length > 0 && { headers: headersOf(headers) }),
    content: {
      [PROBLEM_TYPE]: {
        schema: problemJson,
        examples: Object.fromEntries(
          codes.map(code => [code, { summary: ERROR_ANSWERS[code].title, value: exampleOf(code) }]),
        ),
      },
    },
  }
}

const RETRY_AFTER: Partial<Record<ErrorCode, string>> = {
  lock_conflict:
    'Seconds until all the locks in the way could be free, if nobody touches them; absent where one has no end',
  rate_limited: 'Seconds',
  resource_contended: 'Seconds',
  database_unavailable: 'Seconds',
  database_timeout: 'Seconds',
}

function headersOf(headers: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' as const } },
    ]),
  )
}

function exampleOf(code: ErrorCode): Record<string, unknown> {
  const [detail, extensions] = PROBLEM_EXAMPLES[code] ?? [ERROR_ANSWERS[code].title]
  return problemDocument(code, detail, EXAMPLE_REQUEST_ID, extensions)
}
