import { gitLfs } from '../../../../src/http/dialects/git-lfs/family.ts'
import type { AnyJson } from '../../../support/any-json.ts'
import type { Service } from '../../service.ts'

export const LFS_TYPE = 'application/vnd.git-lfs+json'

/** The namespace of the tests' keys as it stands in a path: one part, so that its slash is escaped. */
export const BASE = '/lfs/DEFAULT%2FREST'

export interface LfsAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: AnyJson
}

export interface LfsOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Calls the API as one user, with the headers that git-lfs sends. Null: nobody. */
export type LfsCaller = (method: string, path: string, options?: LfsOptions) => Promise<LfsAnswer>

/** Checks of each answer that the client can read it, and that its route declares its status. */
export function lfsCaller(service: Service, user: string | null, key = ''): LfsCaller {
  return async (method, path, { body, headers = {} } = {}) => {
    const response = await fetch(service.url + path, {
      method,
      headers: {
        accept: LFS_TYPE,
        'user-agent': 'git-lfs/3.3.0 (GitHub; linux amd64; go 1.19.8)',
        ...(user !== null && { authorization: basic(user, key) }),
        ...(body !== undefined && { 'content-type': `${LFS_TYPE}; charset=utf-8` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const json = text === '' ? undefined : JSON.parse(text)
    requireReadable(method, path, response, json)
    return { status: response.status, headers: response.headers, text, json }
  }
}

export function basic(user: string, key: string): string {
  return `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`
}

const ROUTES = gitLfs.routes.map(({ method, path, statuses }) => ({
  method,
  statuses,
  pattern: new RegExp(`^${path.replace('{*repository}', '.+').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}))

/** Trouble that any route may have, and a target that no route gets to see. */
const OF_ALL = [414, 503, 504]

function requireReadable(method: string, path: string, { status, headers }: Response, json: unknown): void {
  const what = `${method} ${path} ${status}`
  if (headers.get('content-type') !== LFS_TYPE) throw new Error(`${what}: ${headers.get('content-type')}`)
  const { message } = json as { message?: unknown }
  if (status >= 400 && (typeof message !== 'string' || message === ''))
    throw new Error(`${what} has no message`)
  if (status < 400 && message !== undefined) throw new Error(`${what}: a message makes it a failure`)
  const target = path.split('?')[0] ?? ''
  const route = ROUTES.find(candidate => candidate.method === method && candidate.pattern.test(target))
  if (route !== undefined && ![...route.statuses, ...OF_ALL].includes(status)) {
    throw new Error(`${what} is not declared`)
  }
}
