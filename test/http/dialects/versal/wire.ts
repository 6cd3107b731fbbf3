import { versal } from '../../../../src/http/dialects/versal/family.ts'
import type { VersalSettings } from '../../../../src/http/dialects/versal/settings.ts'
import { type Answer, DIALECTS, type Service } from '../../service.ts'

/** The namespace that all courses are in. */
export const { namespace: NAMESPACE, lockSeconds: LOCK_SECONDS } = DIALECTS.versal

const ROUTES = versal(DIALECTS.versal).routes.map(({ method, path, statuses }) => ({
  operation: `${method} ${path}`,
  method,
  pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  statuses,
}))

/** Trouble of the database, which every route can be in. */
const TROUBLE = new Set([503, 504])

export interface Wire {
  /** Sends a request with a SID, and checks that the route may answer so, in the form of the published API. */
  call(sid: string | undefined, method: string, path: string, body?: unknown): Promise<Answer>
  /** `<method> <path> <status>` of every answer so far. */
  readonly seen: ReadonlySet<string>
  /** The SID of a user's session. */
  signIn(user: string): Promise<string>
  /** Locks a gadget. */
  lock(sid: string, courseId: string, gadgetId: string): Promise<Answer>
  locksOf(sid: string, courseId: string): Promise<Answer>
  unlock(sid: string, lockId: string): Promise<Answer>
}

/** Gadgets that are defects of other products, by their ids alone. */
export const ALONE: VersalSettings = { ...DIALECTS.versal, gadgetType: 'defect', gadgetIds: 'alone' }

export function wireOf(service: Service): Wire {
  const seen = new Set<string>()
  const call: Wire['call'] = async (sid, method, path, body) => {
    const answer = await service.call(method, path, {
      body,
      ...(sid !== undefined && { headers: { sid } }),
    })
    const at = path.split('?')[0] ?? ''
    const route = ROUTES.find(one => one.method === method && one.pattern.test(at))
    if (route !== undefined) {
      seen.add(`${route.operation} ${answer.status}`)
      if (!route.statuses.includes(answer.status) && !TROUBLE.has(answer.status)) {
        throw new Error(`${route.operation} does not name ${answer.status}: ${answer.text}`)
      }
    }
    if (answer.status >= 400) requireErrorBody(answer)
    return answer
  }
  return {
    call,
    seen,
    async signIn(user) {
      const { status, json, text } = await call(service.keys.admin, 'POST', '/sessions', { email: user })
      if (status !== 201) throw new Error(text)
      return json.sessionId
    },
    lock: (sid, courseId, gadgetId) =>
      call(sid, 'POST', '/locks', { type: 'gadget', subject: { courseId, gadgetId } }),
    locksOf: (sid, courseId) => call(sid, 'GET', `/locks?subject.courseId=${encodeURIComponent(courseId)}`),
    unlock: (sid, lockId) => call(sid, 'DELETE', `/locks/${encodeURIComponent(lockId)}`),
  }
}

/** What the routes name, in the words of `seen`. */
export function namedAnswers(): string[] {
  return ROUTES.flatMap(({ operation, statuses }) => statuses.map(status => `${operation} ${status}`))
}

function requireErrorBody({ status, json, text }: Answer): void {
  const fields = Object.keys(json ?? {}).join()
  if (fields !== 'error,message' || json.error !== status || json.message === '') {
    throw new Error(`${status} is not in the form of this API: ${text}`)
  }
}
