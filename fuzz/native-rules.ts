import { z } from 'zod'
import { requireProperTarget } from '../src/http/request-target.ts'
import type { Answer } from './answer.ts'
import { type Operation, pathIn, patternOf } from './operations.ts'
import { jsonOf, type Sent, type Verdict } from './rules.ts'

const PROBLEM = 'application/problem+json'

/** What every path can be answered with, ahead of any call: the head or the target is wrong, or leads nowhere. */
const AHEAD = new Set([400, 404, 405, 414])

interface Rule {
  readonly pattern: RegExp
  readonly operation: Operation
  /** Of the bodies of answers that are JSON, by status. */
  readonly schemas: ReadonlyMap<string, z.ZodType>
}

/** Judges answers by the OpenAPI document. */
export class NativeRules {
  readonly #rules: readonly Rule[]

  constructor(operations: readonly Operation[]) {
    this.#rules = operations.map(operation => ({
      pattern: patternOf(operation.path),
      operation,
      schemas: schemasOf(operation),
    }))
  }

  verdict(sent: Sent, answer: Answer): Verdict {
    const { status } = answer
    const rule = this.#ruleFor(sent)
    if (rule === undefined) {
      if (sent.method === 'OPTIONS' && status === 204) return undefined
      return AHEAD.has(status)
        ? problemVerdict(sent, answer)
        : `${sent.what}: ${status} where there is no call`
    }
    const { operationId, responses } = rule.operation
    if (responses[status] === undefined) return `${operationId}: ${status} is not documented`
    if (sent.method === 'HEAD') return undefined
    return answer.headers.get('content-type') === PROBLEM
      ? (problemVerdict(sent, answer) ?? codeVerdict(rule, answer))
      : bodyVerdict(rule, answer)
  }

  /** The call that a request is for, if any is. */
  #ruleFor({ method, target }: Sent): Rule | undefined {
    if (!isProper(target)) return undefined
    const path = pathIn(target)
    const wanted = method === 'HEAD' ? 'GET' : method
    return this.#rules.find(({ pattern, operation }) => operation.method === wanted && pattern.test(path))
  }
}

function codeVerdict({ operation: { operationId, responses } }: Rule, answer: Answer): Verdict {
  const examples = responses[answer.status]?.content?.[PROBLEM]?.examples ?? {}
  const { code } = jsonOf(answer) as { code: string }
  return code in examples ? undefined : `${operationId}: ${answer.status} ${code} is not documented`
}

function bodyVerdict({ operation: { operationId, responses }, schemas }: Rule, answer: Answer): Verdict {
  const { status, headers, body } = answer
  const type = headers.get('content-type') ?? ''
  const [documented] = Object.keys(responses[status]?.content ?? {})
  if (documented === undefined) {
    return body.length === 0 ? undefined : `${operationId}: ${status} has a body that is not documented`
  }
  if (!type.startsWith(documented)) return `${operationId}: ${status} is ${type}, not ${documented}`
  const result = schemas.get(String(status))?.safeParse(jsonOf(answer))
  return result?.success === false
    ? `${operationId}: the body of ${status} is not as documented: ${z.prettifyError(result.error)}`
    : undefined
}

function schemasOf({ responses }: Operation): ReadonlyMap<string, z.ZodType> {
  const schemas = new Map<string, z.ZodType>()
  for (const [status, { content = {} }] of Object.entries(responses)) {
    const schema = content['application/json']?.schema
    if (schema !== undefined)
      schemas.set(status, z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]))
  }
  return schemas
}

const problem = z.looseObject({
  type: z.string().regex(/^urn:leasehold:error:/),
  title: z.string().min(1),
  status: z.int(),
  detail: z.string().min(1),
  code: z.string(),
  request_id: z.string(),
  errors: z
    .array(z.looseObject({ field: z.string(), message: z.string() }))
    .max(20)
    .optional(),
})

export function problemVerdict({ what, method }: Sent, answer: Answer): Verdict {
  if (method === 'HEAD') return undefined
  const { status, headers } = answer
  const result = problem.safeParse(jsonOf(answer))
  if (!result.success) return `${what}: ${status} is no problem document`
  if (result.data.status !== status) return `${what}: ${status} says that it is ${result.data.status}`
  if (result.data.request_id !== headers.get('x-request-id')) return `${what}: two request ids in one answer`
  return undefined
}

export function isProper(target: string): boolean {
  try {
    requireProperTarget(target)
    return true
  } catch {
    return false
  }
}
