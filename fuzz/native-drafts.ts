import fc from 'fast-check'
import { UNWELCOME, VICTIMS, WELCOME } from './cast.ts'
import type { Draft, Signature } from './draft.ts'
import { nearly, type Text, textOf } from './mutations.ts'
import type { Operation } from './operations.ts'
import {
  badWays,
  contentType,
  extraHeaders,
  framing,
  harmlessMethod,
  otherMethod,
  type Quality,
  quality,
} from './requests.ts'
import { valuesOf } from './schema-values.ts'
import { anyText, escaped, rawSegment } from './texts.ts'

const NDJSON = 'application/x-ndjson'
const NEVER = fc.constant(false)
const SELDOM = fc.nat({ max: 9 }).map(number => number === 0)

const welcome: fc.Arbitrary<Signature> = fc.record({
  who: fc.constantFrom(...WELCOME, 'victor', 'stranger'),
  way: fc.constantFrom('bearer', 'bearer', 'basic'),
})
const unwelcome: fc.Arbitrary<Signature> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ who: fc.constantFrom(...UNWELCOME), way: fc.constantFrom('bearer', 'basic') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ who: fc.constant('alice'), way: fc.constantFrom(...badWays, 'basic of another') }),
  },
)

/** Requests of all calls, by everybody, right and wrong. */
export function openDrafts(operations: readonly Operation[]): fc.Arbitrary<Draft> {
  const signed = fc.oneof({ weight: 6, arbitrary: welcome }, { weight: 2, arbitrary: unwelcome })
  return fc.oneof(
    ...operations.map(operation => ({
      weight: weightOf(operation),
      arbitrary: quality.chain(how => draftOf(operation, how, signed, otherMethod)),
    })),
  )
}

/** Requests that are refused, or change nothing: by those who may not, or with something that is wrong for certain. */
export function refusedDrafts(operations: readonly Operation[]): fc.Arbitrary<Draft> {
  const anybody = fc.oneof({ weight: 3, arbitrary: welcome }, { weight: 1, arbitrary: unwelcome })
  return fc.oneof(
    ...operations.map(operation => ({
      weight: weightOf(operation),
      arbitrary: fc.oneof(
        {
          weight: 3,
          arbitrary: quality.chain(how =>
            draftOf(operation, how, operation.method === 'GET' ? anybody : unwelcome, harmlessMethod),
          ),
        },
        {
          weight: 2,
          arbitrary: draftOf(operation, 'valid', welcome, harmlessMethod).map(withUnknownParameter),
        },
        ...(operation.operationId === 'acquireLocks' ? [{ weight: 6, arbitrary: conflicts }] : []),
      ),
    })),
  )
}

/** Pages and metrics are nearly always the same, and cost more than anything else. */
function weightOf({ path }: Operation): number {
  return path.startsWith('/v1/') ? 8 : 1
}

function withUnknownParameter(draft: Draft): Draft {
  return { ...draft, target: `${draft.target}${draft.target.includes('?') ? '&' : '?'}x_unknown=1` }
}

/** Acquires of what the victim holds, with other things around it. */
const conflicts: fc.Arbitrary<Draft> = fc
  .record({
    held: fc.constantFrom('1', '2', '3'),
    others: fc.uniqueArray(fc.constantFrom('11', '12', '13', '14'), { maxLength: 3 }),
    session: fc.option(fc.uuid(), { nil: undefined }),
    reentry: fc.constantFrom('session', 'user', undefined),
  })
  .map(({ held, others, session, reentry }) => ({
    what: 'acquireLocks',
    method: 'POST',
    target: `/v1/namespaces/${escaped(VICTIMS)}/locks`,
    headers: [['Content-Type', 'application/json']],
    body: JSON.stringify({
      resources: [...others, held].map(id => ({ type: 'defect', id })),
      ...(session !== undefined && { session, ttl: 60 }),
      reentry,
    }),
    signed: { who: 'bob', way: 'bearer' },
    framing: 'length',
  }))

function draftOf(
  operation: Operation,
  how: Quality,
  signed: fc.Arbitrary<Signature>,
  others: fc.Arbitrary<string>,
): fc.Arbitrary<Draft> {
  const { operationId, method } = operation
  return fc
    .record({
      path: pathOf(operation, how),
      query: queryOf(operation, how),
      content: bodyOf(operation, how),
      extra: extraHeaders,
      signed: operation.isPublic ? fc.oneof(signed, fc.constant({ who: 'nobody', way: '' })) : signed,
      framing,
      method: fc.oneof({ weight: 30, arbitrary: fc.constant(method) }, { weight: 1, arbitrary: others }),
    })
    .map(({ path, query, content, extra, ...rest }) => ({
      ...rest,
      what: operationId,
      target: path + query,
      headers: [...content.headers, ...extra],
      body: content.body,
    }))
}

function pathOf({ path, parameters }: Operation, how: Quality): fc.Arbitrary<string> {
  const segments = path.split('/').map(segment => {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1]
    if (name === undefined) return fc.constant(segment)
    const schema =
      parameters.find(parameter => parameter.in === 'path' && parameter.name === name)?.schema ?? {}
    const valid = valuesOf(schema, name).map(value => inTarget(String(value)))
    if (how === 'valid') return valid
    const other = how === 'wild' ? rawSegment : fc.oneof(anyText.map(escaped), rawSegment)
    const mixed = fc.oneof({ weight: 2, arbitrary: valid }, { weight: 1, arbitrary: other })
    // small numbers are the keys of the run itself
    return name === 'key' ? mixed.map(text => (/^\d{1,6}$/.test(text) ? '@{key:0}' : text)) : mixed
  })
  return fc.tuple(...segments).map(parts => parts.join('/'))
}

function queryOf({ parameters }: Operation, how: Quality): fc.Arbitrary<string> {
  const known = parameters.filter(parameter => parameter.in === 'query')
  const pairs = known.map(({ name, schema }) => {
    const valid = valuesOf(schema, name).map(value => `${name}=${inTarget(String(value))}`)
    const wild = fc.oneof(anyText.map(escaped), rawSegment).map(value => `${name}=${value}`)
    const some = how === 'valid' ? valid : fc.oneof(valid, wild)
    return fc.option(some, { nil: undefined, freq: 2 })
  })
  const more =
    how === 'valid'
      ? fc.constant([])
      : fc.array(
          fc.oneof(
            fc.tuple(anyText, anyText).map(([name, value]) => `${escaped(name)}=${escaped(value)}`),
            fc.constantFrom('limit=1&limit=2', 'x', '&&', '=', 'a[b]=c', 'force=true', '%', 'namespace=*'),
          ),
          { maxLength: 1 },
        )
  return fc.tuple(fc.tuple(...pairs), more).map(([found, extra]) => {
    const all = [...found.filter(pair => pair !== undefined), ...extra]
    return all.length === 0 ? '' : `?${all.join('&')}`
  })
}

interface Content {
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Text | undefined
}

function bodyOf({ requestBody }: Operation, how: Quality): fc.Arbitrary<Content> {
  const [type, media] = Object.entries(requestBody?.content ?? {})[0] ?? []
  if (type === undefined || media === undefined) {
    // a body that nobody asked for
    return fc.oneof(
      { weight: 20, arbitrary: fc.constant({ headers: [], body: undefined }) },
      { weight: 1, arbitrary: fc.constant({ headers: [], body: '{"a":1}' }) },
    )
  }
  const valid = valuesOf(media.schema)
  const values =
    how === 'valid' ? valid : how === 'nearly' ? nearly(valid) : fc.oneof(fc.jsonValue(), nearly(valid))
  const text = textOf(values, how === 'valid' ? NEVER : how === 'nearly' ? SELDOM : fc.boolean())
  const body =
    type === NDJSON
      ? fc
          .array(text, { maxLength: 4 })
          .map(lines => (lines.every(isText) ? lines.join('\n') : (lines[0] ?? '')))
      : text
  const headers = how === 'valid' ? fc.constant([['Content-Type', type] as const]) : contentType(type)
  return fc.record({ headers, body })
}

function isText(line: Text): line is string {
  return typeof line === 'string'
}

/** Escaped, but for what is put in later. */
function inTarget(text: string): string {
  return text.startsWith('@{') ? text : escaped(text)
}
