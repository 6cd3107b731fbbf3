import { parseBraceQuery } from './brace-query.ts'
import { AlmError } from './errors.ts'
import { type Filter, fieldNamed, type LockField } from './filter.ts'
import type { AlmLock } from './presenters.ts'
import { parseQueryClause } from './query-clause.ts'

const PAGE_SIZE = { usual: 100, most: 2000 } as const

const EVERYTHING: Filter = { kind: 'all', parts: [] }

/** What a client wants to see of the locks of a project. */
export interface View {
  readonly filter: Filter
  readonly order: readonly { readonly field: LockField; readonly isDescending: boolean }[]
  /** Undefined: all. */
  readonly fields: readonly LockField[] | undefined
  /** Of the first that is shown, counted from 0. */
  readonly start: number
  readonly size: number
}

/** `query`, `fields`, `order-by`, `page-size`, `start-index`; anything else is let pass. */
export function readView(query: URLSearchParams): View {
  return {
    filter: readFilter(query),
    order: readOrder(one(query, 'order-by')),
    fields: one(query, 'fields')
      ?.replace(/^\{(.*)\}$/, '$1')
      .split(',')
      .map(name => requireField(name.trim())),
    start: readNumber(query, 'start-index', 1, Number.MAX_SAFE_INTEGER) - 1,
    size:
      one(query, 'page-size') === 'max'
        ? PAGE_SIZE.most
        : readNumber(query, 'page-size', PAGE_SIZE.usual, PAGE_SIZE.most),
  }
}

/** Each of the vendor's two ways to write a query is understood at both addresses. */
export function readFilter(query: URLSearchParams): Filter {
  const text = one(query, 'query')
  if (text === undefined) return EVERYTHING
  return text.trim().startsWith('{') ? parseBraceQuery(text) : parseQueryClause(text)
}

/** The lock with the fields that were asked for; type and id are always there, since without them it has no name. */
export function selected(lock: AlmLock, fields: View['fields']): Partial<AlmLock> {
  if (fields === undefined) return lock
  const names = new Set(['type', 'id', ...fields.map(field => field.split('.')[0])])
  return Object.fromEntries(Object.entries(lock).filter(([name]) => names.has(name)))
}

/** The value of a parameter; given twice, somebody would mean the other. */
export function one(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name)
  if (values.length > 1) invalid(`The parameter ${name} is given more than once.`)
  return values[0]
}

/** `user,-id`, or in the older way `{user;id[DESC]}`. */
function readOrder(text: string | undefined): View['order'] {
  if (text === undefined || text === '') return []
  const [, braced] = /^\{(.*)\}$/.exec(text) ?? []
  if (braced === undefined) {
    return text.split(',').map(part => {
      const [, minus, name = ''] = /^\s*(-?)(.*?)\s*$/.exec(part) ?? []
      return { field: requireField(name), isDescending: minus === '-' }
    })
  }
  return braced.split(';').map(part => {
    const [, name = part, direction = 'ASC'] =
      /^\s*([^[\s]*)\s*(?:\[\s*(asc|desc)\s*\])?\s*$/i.exec(part) ?? []
    return { field: requireField(name), isDescending: direction.toUpperCase() === 'DESC' }
  })
}

function requireField(name: string): LockField {
  // `entity` is what its parts are shown in
  const field = fieldNamed(name === 'entity' ? 'entity.id' : name)
  if (field !== undefined) return field
  throw new AlmError(400, 'qccore.unknown-field-name', `A lock has no field ${name}.`)
}

function readNumber(query: URLSearchParams, name: string, usual: number, most: number): number {
  const text = one(query, name)
  if (text === undefined) return usual
  if (/^[1-9]\d{0,15}$/.test(text) && Number(text) <= most) return Number(text)
  return invalid(`${name} has to be a whole number from 1 to ${most}.`)
}

function invalid(title: string): never {
  throw new AlmError(400, 'qccore.general-error', title)
}
