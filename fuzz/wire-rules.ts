import { z } from 'zod'
import type { WireFamily } from '../src/http/route-family.ts'
import type { Answer } from './answer.ts'
import { isProper, problemVerdict } from './native-rules.ts'
import { pathIn, patternOf } from './operations.ts'
import { isContended, jsonOf, type Sent, type Verdict } from './rules.ts'
import { FAMILIES } from './wire-drafts.ts'

/** Where nothing is found, and what is ahead of the routes; 422 is what some APIs have for 400. */
const AHEAD = new Set([204, 400, 404, 405, 414, 422])

const message = z.object({ message: z.string().min(1) })
const almError = z.object({
  Id: z.string().min(1),
  Title: z.string(),
  ExceptionProperties: z.null(),
  StackTrace: z.null(),
})
const almXml = /<QCRestException><Id>[^<]+<\/Id><Title>[^<]*<\/Title><\/QCRestException>$/
const polarisError = z.object({
  ErrorCode: z.int(),
  Message: z.string().min(1),
  StackTrace: z.null(),
  InnerException: z.null(),
})
const bridgeError = z.strictObject({
  errors: z.tuple([z.strictObject({ message: z.string().min(1) })]),
})

function fits(schema: z.ZodType, answer: Answer): boolean {
  return schema.safeParse(jsonOf(answer)).success
}

/** What errors look like, by the first prefix of the API. */
const ERRORS: Readonly<Record<string, (answer: Answer, sent: Sent) => boolean>> = {
  '/qcbin': answer =>
    answer.headers.get('content-type')?.includes('xml')
      ? almXml.test(answer.body.toString())
      : fits(almError, answer),
  '/v2': answer => answer.body.toString() === 'Object already locked' || fits(message.strict(), answer),
  '/locks': answer =>
    fits(z.strictObject({ error: z.literal(answer.status), message: z.string().min(1) }), answer),
  '/polaris.applicationservices': answer => fits(polarisError, answer),
  '/api/author': answer => fits(bridgeError, answer),
  // what somebody else has locked is told by a LockInfo
  '/terraform': (answer, sent) =>
    answer.status === 423 || answer.status === 409
      ? fits(z.looseObject({ ID: z.string() }), answer)
      : problemVerdict(sent, answer) === undefined,
  '/lfs': answer => fits(message, answer),
}

interface Rule {
  readonly pattern: RegExp
  readonly method: string
  readonly statuses: ReadonlySet<number>
}

/** Judges answers by the tables of routes of the other APIs. */
export class WireRules {
  readonly #families = FAMILIES.map(family => ({
    family,
    rules: family.routes.map(route => ruleOf(route, family)),
  }))

  /** Undefined: no API claims the path. */
  verdict(sent: Sent, answer: Answer): { readonly verdict: Verdict } | undefined {
    const path = pathIn(sent.target).replace(/(?:%20)+$/, '')
    const found = this.#families.find(({ family }) => claims(family, path))
    if (found === undefined) return undefined
    const wanted = sent.method === 'HEAD' ? 'GET' : sent.method
    const calls = isProper(sent.target)
      ? found.rules.filter(({ pattern, method }) => method === wanted && pattern.test(path))
      : []
    return { verdict: verdictOf(found.family, calls, sent, answer) }
  }
}

function verdictOf(
  { prefixes: [prefix = ''] }: WireFamily,
  calls: readonly Rule[],
  sent: Sent,
  answer: Answer,
): Verdict {
  const { status } = answer
  const isDocumented =
    calls.length > 0
      ? calls.some(({ statuses }) => statuses.has(status)) ||
        isContended(answer, sent.method) ||
        // 422 is what some APIs have for 400
        ((status === 400 || status === 422) && !sent.isHeadProper)
      : AHEAD.has(status)
  const where = calls.length > 0 ? sent.what : `${prefix} where there is no call`
  if (!isDocumented) return `${where}: ${status} is not in the table of routes`
  if (status < 400 || sent.method === 'HEAD') return undefined
  return ERRORS[prefix]?.(answer, sent) === false
    ? `${where}: ${status} is not in the words of the API`
    : undefined
}

function claims({ prefixes, ignoresCase }: WireFamily, path: string): boolean {
  const compared = ignoresCase === true ? path.toLowerCase() : path
  return prefixes.some(prefix => compared === prefix || compared.startsWith(`${prefix}/`))
}

function ruleOf({ path, method, statuses }: WireFamily['routes'][number], { ignoresCase }: WireFamily): Rule {
  return { pattern: patternOf(path, ignoresCase === true ? 'i' : ''), method, statuses: new Set(statuses) }
}
