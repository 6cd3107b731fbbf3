import { bridge } from '../../../../src/http/dialects/bridge/family.ts'
import type { BridgeSettings } from '../../../../src/http/dialects/bridge/settings.ts'
import { type Answer, DIALECTS, type Service, startService } from '../../service.ts'

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** What can be locked: paths name it in the plural, answers by its type. */
export const LOCKABLES = [
  { path: '/api/author/course_templates', type: 'CourseTemplate' },
  { path: '/api/author/tasks', type: 'Task' },
] as const

export interface Question {
  readonly key?: string | undefined
  /** Of the header X-Lock-Id. */
  readonly lockId?: string | undefined
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

export interface Bridge extends Service {
  readonly bridgeKeys: Readonly<Record<'alice' | 'bob' | 'carol' | 'viewer' | 'admin' | 'stranger', string>>
  /** `<method> <path> <status>` of every answer to a call of the API so far. */
  readonly answered: Set<string>
  /** Sends a request, and checks that its route has such a status and that errors have the API's form. */
  ask(method: string, path: string, question?: Question): Promise<Answer>
}

/** Declared by the routes, as `<method> <path> <status>`. */
export const DECLARED: readonly string[] = bridge(DIALECTS.bridge).routes.flatMap(
  ({ method, path, statuses }) => statuses.map(status => `${method} ${path} ${status}`),
)

/** The service with this API alone, and keys for its namespace; the stranger's is for another one. */
export async function startBridge(
  t: Parameters<typeof startService>[0],
  settings: Partial<BridgeSettings> = {},
  overrides: Parameters<typeof startService>[1] = {},
): Promise<Bridge> {
  const own = { ...DIALECTS.bridge, ...settings }
  const service = await startService(t, { dialects: { bridge: own }, ...overrides })
  const answered = new Set<string>()
  return {
    ...service,
    answered,
    bridgeKeys: {
      alice: await service.keyOf('alice', 'locker', own.namespace),
      bob: await service.keyOf('bob', 'locker', own.namespace),
      carol: await service.keyOf('carol', 'locker', own.namespace),
      viewer: await service.keyOf('victor', 'viewer', own.namespace),
      admin: await service.keyOf('adam', 'admin', own.namespace),
      stranger: await service.keyOf('alice', 'admin', 'elsewhere'),
    },
    async ask(method, path, { lockId, headers, ...options } = {}) {
      const answer = await service.call(method, path, {
        ...options,
        headers: { ...(lockId !== undefined && { 'x-lock-id': lockId }), ...headers },
      })
      requireDeclared(method, path, answer)
      answered.add(`${method} ${path.replace(/\/[^/]+\/lock\b.*/, '/{id}/lock')} ${answer.status}`)
      return answer
    },
  }
}

function requireDeclared(method: string, path: string, { status, json, text, headers }: Answer): void {
  const [, folder] = /^\/api\/author\/(\w+)\/[^/]+\/lock(?:%20)*(?:\?|$)/.exec(path) ?? []
  const isLock = folder === 'course_templates' || folder === 'tasks'
  const isDeclared = DECLARED.includes(`${method} /api/author/${folder}/{id}/lock ${status}`)
  if (isLock && method !== 'HEAD' && !isDeclared && ![405, 414, 503, 504].includes(status)) {
    throw new Error(`${method} ${path} is not to answer ${status}: ${text}`)
  }
  if (status === 204 || method === 'HEAD') {
    if (text !== '') throw new Error(`a body with ${status}: ${text}`)
    return
  }
  const type = headers.get('content-type')
  if (type !== 'application/json') throw new Error(`${status} of type ${type}: ${text}`)
  if (status < 400) return
  const [error, ...others] = json.errors ?? []
  const isInForm =
    Object.keys(json).join() === 'errors' &&
    others.length === 0 &&
    Object.keys(error).join() === 'message' &&
    typeof error.message === 'string'
  if (!isInForm) throw new Error(`${status} is not in the form of this API's errors: ${text}`)
}
