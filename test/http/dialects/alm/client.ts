import { request } from 'node:http'
import { alm } from '../../../../src/http/dialects/alm/family.ts'
import type { AnyJson } from '../../../support/any-json.ts'
import { DIALECTS, type Service } from '../../service.ts'

export interface WireAnswer {
  readonly status: number
  /** In lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly setCookies: readonly string[]
  readonly text: string
  readonly json: AnyJson
}

const ROUTES = alm({ ...DIALECTS.alm, lockFailureStatus: 403 }).routes.map(route => ({
  ...route,
  pattern: new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}(?:%20)*$`),
}))

/** Of every route that a request has reached, as it is declared. */
export const reached = new Set<string>()
export const declared = ROUTES.map(({ method, path }) => `${method} ${path}`)

/** Throws where a route has answered what it does not say it answers. */
function requireDeclared(method: string, target: string, status: number): void {
  const path = target.replace(/^http:\/\/[^/]+/, '').split('?')[0] ?? ''
  const route = ROUTES.find(candidate => candidate.method === method && candidate.pattern.test(path))
  if (route === undefined) return
  reached.add(`${route.method} ${route.path}`)
  const statuses = [...route.statuses, 500, 503, 504]
  if (!statuses.includes(status)) throw new Error(`${method} ${path} does not declare ${status}`)
}

/** Sends exactly these headers. */
export function send(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body?: string,
): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, incoming => {
      const chunks: Buffer[] = []
      incoming.on('data', chunk => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        try {
          requireDeclared(method, path, incoming.statusCode ?? 0)
        } catch (fault) {
          reject(fault)
        }
        const isJson = incoming.headers['content-type'] === 'application/json'
        const { 'set-cookie': setCookies = [], ...others } = incoming.headers
        resolve({
          status: incoming.statusCode ?? 0,
          headers: Object.fromEntries(Object.entries(others).map(([name, value]) => [name, String(value)])),
          setCookies,
          text,
          json: isJson && text !== '' ? JSON.parse(text) : undefined,
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** The values of the cookies that an answer sets; expired ones as the empty text. */
export function cookiesOf(answer: WireAnswer): Record<string, string> {
  const cookies: Record<string, string> = {}
  for (const field of answer.setCookies) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(field) ?? []
    cookies[name] = value === '""' ? '' : value
  }
  return cookies
}

export function cookieHeader(cookies: Readonly<Record<string, string>>): string {
  return Object.entries(cookies)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ')
}

export function basic(user: string, key: string): string {
  return `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`
}

/** A program that keeps cookies as a browser does. */
export class AlmClient {
  readonly #port: number
  cookies: Record<string, string> = {}

  constructor({ port }: Pick<Service, 'port'>) {
    this.#port = port
  }

  /** The body as JSON, unless it is a text, which goes as it is. */
  async call(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Readonly<Record<string, string>> } = {},
  ): Promise<WireAnswer> {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const answer = await send(
      this.#port,
      method,
      path,
      {
        ...(Object.keys(this.cookies).length > 0 && { Cookie: cookieHeader(this.cookies) }),
        ...(text !== undefined && {
          'Content-Type': 'application/json',
          'Content-Length': String(Buffer.byteLength(text)),
        }),
        ...headers,
      },
      text,
    )
    for (const [name, value] of Object.entries(cookiesOf(answer))) {
      if (value === '') delete this.cookies[name]
      else this.cookies[name] = value
    }
    return answer
  }

  async signIn(user: string, key: string): Promise<this> {
    const answer = await this.call('POST', '/qcbin/api/authentication/sign-in', {
      headers: { Authorization: basic(user, key) },
    })
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
    return this
  }
}

export const API = '/qcbin/api/domains/DEFAULT/projects/REST/locks'
export const REST = '/qcbin/rest/domains/DEFAULT/projects/REST'

/** A body that asks for locks. */
export function entities(...ids: readonly unknown[]): object {
  return { data: ids.map(id => ({ entity: { id, type: 'defect' } })) }
}
