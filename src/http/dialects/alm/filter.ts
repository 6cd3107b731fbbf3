import { AlmError } from './errors.ts'
import type { AlmLock } from './presenters.ts'

/** What a query asks of a lock, however it was written. */
export type Filter =
  | { readonly kind: 'all' | 'any'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter }
  | {
      readonly kind: 'compare'
      readonly field: LockField
      readonly operator: Operator
      readonly value: Literal
    }

export const OPERATORS = ['<=', '>=', '<>', '=', '<', '>'] as const
export type Operator = (typeof OPERATORS)[number]

export type Literal =
  | { readonly kind: 'number'; readonly value: number }
  /** The text between the wildcards: one piece, where there is none. */
  | { readonly kind: 'text'; readonly pieces: readonly string[] }
  | { readonly kind: 'null' }

/** Parentheses and negations inside each other: enough for a person, too few for a stack. */
export const MAX_NESTING = 32

const FIELDS = {
  id: lock => lock.id,
  type: lock => lock.type,
  'entity.id': lock => lock.entity.id,
  'entity.type': lock => lock.entity.type,
  user: lock => lock.user,
  'lock-time': lock => lock['lock-time'],
  'session-last-touch': lock => lock['session-last-touch'],
} as const satisfies Record<string, (lock: AlmLock) => number | string>
export type LockField = keyof typeof FIELDS

/** The two ways to write a field of a field. */
const OTHER_NAMES: ReadonlyMap<string, LockField> = new Map([
  ['entity-id', 'entity.id'],
  ['entity-type', 'entity.type'],
])

export function fieldNamed(name: string): LockField | undefined {
  const known = OTHER_NAMES.get(name) ?? name
  return Object.hasOwn(FIELDS, known) ? (known as LockField) : undefined
}

export function fieldOf(lock: AlmLock, field: LockField): number | string {
  return FIELDS[field](lock)
}

export function matches(lock: AlmLock, filter: Filter): boolean {
  switch (filter.kind) {
    case 'all':
      return filter.parts.every(part => matches(lock, part))
    case 'any':
      return filter.parts.some(part => matches(lock, part))
    case 'not':
      return !matches(lock, filter.part)
    case 'compare':
      return holds(fieldOf(lock, filter.field), filter.operator, filter.value)
  }
}

/** The user whose locks alone can match, where the query says it in so many words. */
export function holderIn(filter: Filter): string | undefined {
  if (filter.kind === 'all' || (filter.kind === 'any' && filter.parts.length === 1)) {
    return filter.parts.map(holderIn).find(holder => holder !== undefined)
  }
  if (filter.kind !== 'compare' || filter.field !== 'user' || filter.operator !== '=') return undefined
  return filter.value.kind === 'text' && filter.value.pieces.length === 1 ? filter.value.pieces[0] : undefined
}

/** Numbers by their size, texts by their characters, and numbers before texts: one order of all values. */
export function compare(one: number | string, other: number | string): number {
  if (typeof one === 'number') return typeof other === 'number' ? one - other : -1
  if (typeof other === 'number') return 1
  return one < other ? -1 : Number(one > other)
}

export function invalidFilter(why: string): never {
  throw new AlmError(404, 'qccore.invalid-filter-expression', `The query is not valid: ${why}.`)
}

function holds(value: number | string, operator: Operator, literal: Literal): boolean {
  // every field of a lock has a value
  if (literal.kind === 'null') return operator === '<>'
  if (literal.kind === 'text' && literal.pieces.length > 1 && (operator === '=' || operator === '<>')) {
    return fits(String(value), literal.pieces) === (operator === '=')
  }
  const difference = compare(value, comparable(literal, value))
  switch (operator) {
    case '=':
      return difference === 0
    case '<>':
      return difference !== 0
    case '<':
      return difference < 0
    case '>':
      return difference > 0
    case '<=':
      return difference <= 0
    case '>=':
      return difference >= 0
  }
}

function comparable(literal: Exclude<Literal, { kind: 'null' }>, value: number | string): number | string {
  if (literal.kind === 'number') return typeof value === 'number' ? literal.value : String(literal.value)
  const text = literal.pieces.join('*')
  return typeof value === 'number' && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

/** Whether a text has the pieces in their order, the first at its beginning and the last at its end. */
function fits(text: string, pieces: readonly string[]): boolean {
  const [first = '', ...rest] = pieces
  const last = rest.pop() ?? ''
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false
  let at = first.length
  const end = text.length - last.length
  for (const piece of rest) {
    const found = text.indexOf(piece, at)
    if (found === -1 || found + piece.length > end) return false
    at = found + piece.length
  }
  return true
}
