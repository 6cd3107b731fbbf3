import fc from 'fast-check'
import { MAIN, OTHER, VICTIMS } from './cast.ts'
import { IDS, kept, newUuid, plainText, TYPES } from './texts.ts'

/** A schema of the OpenAPI document, references resolved. */
export interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

/** Arrays of values that are valid are short: long ones are made on purpose, elsewhere. */
const MOST_ITEMS = 4

/** What a field of this name is, where any text would be valid and meet nothing. */
const BY_NAME: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  namespace: fc.constantFrom(MAIN, MAIN, MAIN, MAIN, OTHER, VICTIMS),
  type: fc.constantFrom(...TYPES),
  id: fc.constantFrom(...IDS),
  id_prefix: fc.constantFrom(...IDS),
  user: fc.constantFrom('alice', 'bob', 'carol', 'dave'),
  holder: fc.constantFrom('alice', 'bob', 'carol'),
  session: fc.oneof(kept('session'), newUuid),
  lock: kept('lock'),
  key: kept('key'),
  cursor: kept('cursor'),
  ttl: fc.constantFrom(1, 30, 60.5, 86_400, null),
  limit: fc.constantFrom('1', '2', '100', '1000'),
  metadata: fc.dictionary(plainText, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
}

/** Values that a schema allows. `name`: of the field that it is for. */
export function valuesOf(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  const known = BY_NAME[name]
  if (known !== undefined && (schema.type !== 'object' || name === 'metadata')) return known
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return fc.oneof(...choices.map(choice => valuesOf(choice, name)))
  switch (schema.type) {
    case 'string':
      return textsOf(schema)
    case 'integer':
    case 'number':
      return fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 1_000_000 })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? MOST_ITEMS, MOST_ITEMS),
      })
    case 'object':
      return objectsOf(schema)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function textsOf({ format, pattern, maxLength = 1024 }: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return newUuid
  if (pattern !== undefined) return fc.integer({ min: 1, max: 1_000_000_000 }).map(String)
  return fc.oneof(
    { weight: 8, arbitrary: plainText },
    { weight: 1, arbitrary: fc.constantFrom('x'.repeat(maxLength), 'é'.repeat(maxLength / 2)) },
  )
}

function objectsOf({ properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
  const members = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, valuesOf(schema, name)]),
  )
  return fc.record(members, { requiredKeys: [...required] })
}

/** The value that a reference stands for, with all references in it resolved. */
export function resolved(document: object, value: unknown): unknown {
  if (Array.isArray(value)) return value.map(element => resolved(document, element))
  if (typeof value !== 'object' || value === null) return value
  if ('$ref' in value) {
    const steps = String(value.$ref).split('/').slice(1)
    return resolved(
      document,
      steps.reduce((at, step) => Object(at)[step], document as unknown),
    )
  }
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, resolved(document, member)]))
}
