import { Refusal } from '../locks/errors.ts'
import type { Json } from '../locks/lock.ts'
import { diagnoseJson } from './json-diagnosis.ts'

/** Deepest nesting: the body itself is 1, an object in its `metadata` 3. */
export const MAX_DEPTH = 16

/**
 * Most values in one body. The largest acquire has some 5,000; without a bound, a body of commas alone would
 * cost a tenth of a second of validation.
 */
export const MAX_VALUES = 20_000

/**
 * Smallest number besides 0. PostgreSQL writes jsonb numbers out in full, so that six bytes of `1e-300` would
 * become three hundred.
 */
export const MIN_MAGNITUDE = 1e-15

const EXACT_UTF8 = new TextDecoder('utf-8', { fatal: true })
const UNSTORABLE_TEXT = /[\0\p{Surrogate}]/u
const NAME = /^[A-Za-z_][\w-]{0,63}$/

interface Fault {
  readonly path: (string | number)[]
  readonly message: string
}

interface Tally {
  values: number
  members: number
}

/**
 * The value of a JSON text, if it means the same to everybody who will read it. Refused with the place named:
 * bytes that are not UTF-8, NUL and lone surrogates (PostgreSQL refuses the one and alters the other),
 * integers that a double cannot hold, a name twice in one object, `__proto__`, nesting past MAX_DEPTH.
 */
export function parseJson(bytes: Buffer): Json {
  if (bytes.length === 0) refuse('body', 'is empty; a JSON object is needed')
  const text = decode(bytes)
  const value = parse(text)
  const tally: Tally = { values: 0, members: 0 }
  const fault = inspect(value, 1, tally)
  if (fault !== undefined) refuse(fieldName(fault.path), fault.message)
  // JSON.parse keeps the last of two members with the same name and says nothing
  if (tally.members !== countMembers(text)) {
    const { path } = diagnoseJson(text)
    refuse(fieldName(path), 'is given more than once')
  }
  return value
}

/** `resources[1].id`; names that would be unclear are quoted: `metadata["a b"]`. No path: `body`. */
export function fieldName(path: readonly (string | number | symbol)[]): string {
  if (path.length === 0) return 'body'
  let name = ''
  for (const step of path) {
    if (typeof step === 'number') name += `[${step}]`
    else if (NAME.test(String(step))) name += name === '' ? String(step) : `.${String(step)}`
    else name += `[${JSON.stringify(String(step).slice(0, 64))}]`
  }
  return name
}

function decode(bytes: Buffer): string {
  try {
    return EXACT_UTF8.decode(bytes)
  } catch {
    return refuse('body', 'is not UTF-8')
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    const { path, message, line, column } = diagnoseJson(text)
    return refuse(fieldName(path), `is not JSON: ${message} at line ${line}, column ${column}`)
  }
}

function inspect(value: Json, depth: number, tally: Tally): Fault | undefined {
  tally.values += 1
  if (tally.values > MAX_VALUES) return { path: [], message: `has more than ${MAX_VALUES} values` }
  if (typeof value === 'string') return inspectText(value)
  if (typeof value === 'number') return inspectNumber(value)
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > MAX_DEPTH) return { path: [], message: `is nested deeper than ${MAX_DEPTH}` }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const fault = inspect(value[index], depth + 1, tally)
      if (fault !== undefined) return below(index, fault)
    }
    return undefined
  }
  for (const [name, member] of Object.entries(value)) {
    tally.members += 1
    const fault = inspectName(name) ?? inspect(member, depth + 1, tally)
    if (fault !== undefined) return below(name, fault)
  }
  return undefined
}

function below(step: string | number, { path, message }: Fault): Fault {
  return { path: [step, ...path], message }
}

function inspectName(name: string): Fault | undefined {
  if (name === '__proto__') return { path: [], message: 'is a name that is not allowed' }
  return inspectText(name)
}

function inspectText(text: string): Fault | undefined {
  if (!UNSTORABLE_TEXT.test(text)) return undefined
  const what = text.includes('\0') ? 'NUL (\\u0000)' : 'half of a surrogate pair'
  return { path: [], message: `contains ${what}, which cannot be stored` }
}

function inspectNumber(value: number): Fault | undefined {
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    return { path: [], message: 'is a number beyond 2^53 - 1, which would lose digits; send it as a string' }
  }
  if (value !== 0 && Math.abs(value) < MIN_MAGNITUDE) {
    return { path: [], message: `is a number smaller than ${MIN_MAGNITUDE}; send it as a string` }
  }
  return undefined
}

/** Members of all objects in a text that is known to be JSON: its colons outside strings. */
function countMembers(text: string): number {
  let members = 0
  let isInString = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (isInString) {
      if (code === 0x5c) at += 1
      else if (code === 0x22) isInString = false
    } else if (code === 0x22) isInString = true
    else if (code === 0x3a) members += 1
  }
  return members
}

function refuse(field: string, message: string): never {
  throw new Refusal(
    'invalid_request',
    `the body is not acceptable: ${field === 'body' ? 'it' : field} ${message}`,
    {
      fields: [{ field, message }],
    },
  )
}
