import type { IncomingHttpHeaders } from 'node:http'
import typeis from 'type-is'
import { Refusal } from '../../../locks/errors.ts'

/** How an answer is written. */
export type Form = 'xml' | 'json'

export const MEDIA_TYPES: Readonly<Record<Form, string>> = {
  xml: 'application/xml',
  json: 'application/json',
}

/** What bodies may be where both are read; the vendor's `;type=collection` is a parameter, and changes nothing. */
export const XML_OR_JSON = ['application/xml', 'text/xml', 'application/json'] as const

const RANGES: Readonly<Record<Form, readonly string[]>> = {
  xml: ['application/xml', 'text/xml', 'application/*', 'text/*', '*/*'],
  json: ['application/json', 'application/*', '*/*'],
}

interface Wish {
  /** 0 to 1. */
  readonly quality: number
  /** Exact names count more than ranges. */
  readonly isExact: boolean
}

/**
 * The form that the Accept header likes best of those that there are, the first of them where it does not care.
 * Undefined: it wants none of them.
 */
export function preferredForm(headers: IncomingHttpHeaders, forms: readonly Form[]): Form | undefined {
  const accept = headers.accept?.trim()
  if (accept === undefined || accept === '') return forms[0]
  const wishes = accept.split(',').map(readRange)
  let best: { readonly form: Form; readonly wish: Wish } | undefined
  for (const form of forms) {
    const wish = wishFor(form, wishes)
    if (wish === undefined || wish.quality === 0) continue
    if (best === undefined || isBetter(wish, best.wish)) best = { form, wish }
  }
  return best?.form
}

/** The same where an answer depends on it: 406 where none will do. */
export function requireForm(headers: IncomingHttpHeaders, forms: readonly Form[]): Form {
  const form = preferredForm(headers, forms)
  if (form !== undefined) return form
  throw new Refusal(
    'not_acceptable',
    `the answer can be had as ${forms.map(each => MEDIA_TYPES[each]).join(' or ')} only`,
    { fields: [{ field: 'header Accept', message: 'names neither' }] },
  )
}

/** Whether a body is JSON, where it may be XML as well. */
export function isJson(headers: IncomingHttpHeaders): boolean {
  return typeis.is(headers['content-type'] ?? '', ['application/json']) !== false
}

/** What is spoken below a path where the client does not say: XML at /qcbin/rest, JSON at /qcbin/api. */
export function formsAt(path: string): readonly [Form, Form] {
  return path === '/qcbin/api' || path.startsWith('/qcbin/api/') ? ['json', 'xml'] : ['xml', 'json']
}

function readRange(range: string): { readonly name: string; readonly quality: number } {
  const [name = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase())
  const quality = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
  return { name, quality: quality === undefined ? 1 : Number.parseFloat(quality) || 0 }
}

/** The most particular range that covers the form decides. */
function wishFor(form: Form, wishes: readonly { name: string; quality: number }[]): Wish | undefined {
  for (const range of RANGES[form]) {
    const found = wishes.find(({ name }) => name === range)
    if (found !== undefined) return { quality: found.quality, isExact: !range.includes('*') }
  }
  return undefined
}

function isBetter(wish: Wish, than: Wish): boolean {
  return wish.quality > than.quality || (wish.quality === than.quality && wish.isExact && !than.isExact)
}
