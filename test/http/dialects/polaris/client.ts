import { polaris } from '../../../../src/http/dialects/polaris/family.ts'
import type { PolarisSettings } from '../../../../src/http/dialects/polaris/settings.ts'
import type { Role } from '../../../../src/locks/api-key.ts'
import { type Answer, type CallOptions, DIALECTS, type Service } from '../../service.ts'

export const SIGN_IN = '/Polaris.ApplicationServices/api/v1/eng/20/authentication/staffuser'

/** Where the calls of a workstation are. */
export function locksAt(workstation: number | string): string {
  return `/polaris.applicationservices/api/v1/eng/20/polaris/73/${workstation}/objectlocks`
}

export function basic(user: string, key: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}` }
}

export interface SignedIn {
  readonly user: string
  readonly token: string
  readonly secret: string
  /** Of the headers of every other call. */
  readonly authorization: string
}

/** One signed-in user at one workstation. */
export interface Workstation extends SignedIn {
  readonly number: number
  lock(type: number, id: number): Promise<Answer>
  lockMany(type: number, ids: readonly number[]): Promise<Answer>
  own(): Promise<Answer>
  all(): Promise<Answer>
  look(type: number, id: number): Promise<Answer>
  unlock(type: number, id: number): Promise<Answer>
  unlockAll(): Promise<Answer>
  send(method: string, below: string, options?: CallOptions): Promise<Answer>
}

/** Speaks the API, and throws where an answer has a status that its route does not declare. */
export class PolarisClient {
  readonly service: Service
  /** `<method> <path> <status>` of every answer so far. */
  readonly seen = new Set<string>()
  readonly #keys = new Map<string, string>()

  constructor(service: Service) {
    this.service = service
  }

  async call(method: string, path: string, options?: CallOptions): Promise<Answer> {
    const answer = await this.service.call(method, path, options)
    const route = ROUTES.find(
      candidate => candidate.method === method && candidate.pattern.test(path.split('?')[0] ?? ''),
    )
    if (route === undefined) return answer
    if (!route.statuses.includes(answer.status)) {
      throw new Error(`${method} ${route.path} does not declare ${answer.status}: ${answer.text}`)
    }
    this.seen.add(`${method} ${route.path} ${answer.status}`)
    return answer
  }

  async keyOf(user: string, role: Role = 'locker', namespace = 'polaris'): Promise<string> {
    const name = `${user} ${role} ${namespace}`
    const key = this.#keys.get(name) ?? (await this.service.keyOf(user, role, namespace))
    this.#keys.set(name, key)
    return key
  }

  async signIn(user: string, role: Role = 'locker', namespace = 'polaris'): Promise<SignedIn> {
    const headers = basic(`LIBRARY\\${user}`, await this.keyOf(user, role, namespace))
    const { status, json } = await this.call('POST', SIGN_IN, { headers })
    if (status !== 200) throw new Error(`${user} is not signed in but answered ${status}`)
    const { AccessToken: token, AccessSecret: secret } = json
    return { user, token, secret, authorization: `PAS polaris:${token}:${secret}` }
  }

  async workstation(
    user: string | SignedIn,
    number: number,
    role: Role = 'locker',
    namespace = 'polaris',
  ): Promise<Workstation> {
    const signedIn = typeof user === 'string' ? await this.signIn(user, role, namespace) : user
    const send: Workstation['send'] = (method, below, { headers, ...options } = {}) =>
      this.call(method, locksAt(number) + below, {
        ...options,
        headers: { authorization: signedIn.authorization, ...headers },
      })
    return {
      ...signedIn,
      number,
      send,
      lock: (type, id) => send('POST', '', { body: { ObjectTypeID: type, ObjectID: id } }),
      lockMany: (type, ids) => send('POST', `/${type}`, { body: ids }),
      own: () => send('GET', ''),
      all: () => send('GET', '?getAllLocks=true'),
      look: (type, id) => send('GET', `/${type}/${id}`),
      unlock: (type, id) => send('DELETE', `/${type}/${id}`),
      unlockAll: () => send('DELETE', ''),
    }
  }
}

const ROUTES = polaris(DIALECTS.polaris).routes.map(route => ({
  ...route,
  pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]*')}$`, 'i'),
}))

/** What the routes say that they answer, as `<method> <path> <status>`. */
export const DECLARED: readonly string[] = ROUTES.flatMap(({ method, path, statuses }) =>
  statuses.map(status => `${method} ${path} ${status}`),
)

/** Settings of the dialect that differ from the usual ones. */
export function polarisSettings(settings: Partial<PolarisSettings>): { readonly polaris: PolarisSettings } {
  return { polaris: { ...DIALECTS.polaris, ...settings } }
}
