import { randomBytes } from 'node:crypto'
import type { Memory, Signature } from './draft.ts'

/** The namespaces of the run. ALM writes domains in upper case, so that all APIs can name these. */
export const MAIN = 'FUZZ/main'
export const OTHER = 'FUZZ/other'
/** Where the victim's locks are. */
export const VICTIMS = 'VICTIM/one'

export const VICTIM = 'victim'

/** Users whose keys are in force, and what they may do. */
const MEMBERS = [
  { who: 'root', role: 'admin', namespace: '*' },
  { who: 'boss', role: 'admin', namespace: MAIN },
  { who: 'alice', role: 'locker', namespace: MAIN },
  { who: 'bob', role: 'locker', namespace: '*' },
  { who: 'victor', role: 'viewer', namespace: MAIN },
  { who: 'stranger', role: 'locker', namespace: OTHER },
  { who: VICTIM, role: 'locker', namespace: '*' },
] as const

/** Who signs in, and whose requests may be granted. */
export const WELCOME = ['root', 'boss', 'alice', 'bob'] as const
/** Whose requests for a change are refused, whatever they are. */
export const UNWELCOME = ['victor', 'revoked', 'expired', 'unknown', 'nobody'] as const

type Headers = readonly (readonly [name: string, value: string])[]

interface SignedIn {
  readonly alm: string
  readonly bimplus: string
  readonly versal: string
  readonly polaris: string
}

export interface Called {
  readonly status: number
  readonly headers: Headers
  readonly cookies: readonly string[]
  // biome-ignore lint/suspicious/noExplicitAny: answers of several APIs are looked into
  readonly json: any
}

/** The users of a run, their keys and what they have signed in with. */
export class Cast {
  readonly #url: string
  readonly #adminKey: string
  readonly #memory: Memory
  readonly #keys = new Map<string, string>()
  readonly #signedIn = new Map<string, SignedIn>()

  constructor(url: string, adminKey: string, memory: Memory) {
    this.#url = url
    this.#adminKey = adminKey
    this.#memory = memory
  }

  /** Makes everybody's keys. `expire` moves the expiry of a key into the past. */
  async enter(expire: (keyId: string) => Promise<unknown>): Promise<void> {
    for (const { who, role, namespace } of MEMBERS) await this.#makeKey(who, role, namespace)
    const revoked = await this.#makeKey('revoked', 'locker', '*')
    await this.call('DELETE', `/v1/keys/${revoked}`, { as: this.#adminKey })
    await expire(await this.#makeKey('expired', 'locker', '*'))
    this.#keys.set('unknown', `lh_${randomBytes(32).toString('base64url')}`)
  }

  /** Signs everybody in to every API that has sign-ins, since requests sign them out. */
  async signIn(): Promise<void> {
    for (const who of [...WELCOME, 'victor', 'stranger', VICTIM]) {
      if (who === VICTIM && this.#signedIn.has(VICTIM)) continue
      this.#signedIn.set(who, await this.#signInOf(who))
    }
  }

  keyOf(who: string): string {
    return this.#keys.get(who) ?? ''
  }

  /** The headers of a way to sign; ways that a user does not have are tried with what nobody has. */
  headersFor({ who, way }: Signature): Headers {
    if (who === 'nobody') return []
    const key = this.keyOf(who)
    const signedIn = this.#signedIn.get(who)
    switch (way) {
      case 'bearer':
        return [['Authorization', `Bearer ${key}`]]
      case 'basic':
        return [['Authorization', basic(who, key)]]
      case 'basic of another':
        return [['Authorization', basic('alice ', key)]]
      case 'domain':
        return [['Authorization', basic(`LIBRARY\\${who}`, key)]]
      case 'cookies':
        return [['Cookie', signedIn?.alm ?? 'LWSSO_COOKIE_KEY=unknown; QCSession=unknown']]
      case 'sign-in cookie':
        return [['Cookie', (signedIn?.alm ?? 'LWSSO_COOKIE_KEY=unknown').split(';')[0] ?? '']]
      case 'token':
        return [['Authorization', `BimPlus ${signedIn?.bimplus ?? 'unknown'}`]]
      case 'sid':
        return [['SID', signedIn?.versal ?? '00000000-0000-4000-8000-000000000000']]
      case 'sid key':
        return [['SID', key]]
      case 'pas':
        return [
          ['Authorization', `PAS polaris:${signedIn?.polaris ?? `${'0'.repeat(32)}:${'0'.repeat(16)}`}`],
        ]
      default:
        return [['Authorization', way]]
    }
  }

  async call(
    method: string,
    path: string,
    { as, headers = {}, body }: { as?: string; headers?: Record<string, string>; body?: unknown } = {},
  ): Promise<Called> {
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        // what is open when the requests of a run are over is the service's fault
        connection: 'close',
        ...(as !== undefined && { authorization: `Bearer ${as}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return {
      status: response.status,
      headers: [...response.headers],
      cookies: response.headers.getSetCookie().map(cookie => cookie.split(';')[0] ?? ''),
      json: /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined,
    }
  }

  async #makeKey(who: string, role: string, namespace: string): Promise<string> {
    const { json } = await this.call('POST', '/v1/keys', {
      as: this.#adminKey,
      body: { user: who, role, namespace, ttl: null },
    })
    this.#keys.set(who, json.key)
    this.#memory.fix(`key_${who}`, json.key)
    return json.id
  }

  async #signInOf(who: string): Promise<SignedIn> {
    const key = this.keyOf(who)
    const alm = await this.call('POST', '/qcbin/api/authentication/sign-in', {
      headers: { authorization: basic(who, key) },
    })
    const bimplus = await this.call('POST', '/v2/authorize', { body: { user_id: who, password: key } })
    const versal = await this.call('POST', '/sessions', { headers: { sid: key }, body: { email: who } })
    const polaris = await this.call(
      'POST',
      '/Polaris.ApplicationServices/api/v1/eng/20/authentication/staffuser',
      { headers: { authorization: basic(`LIBRARY\\${who}`, key) } },
    )
    return {
      alm: alm.cookies.join('; '),
      bimplus: bimplus.json.access_token,
      versal: versal.json.sessionId,
      polaris: `${polaris.json.AccessToken}:${polaris.json.AccessSecret}`,
    }
  }
}

function basic(user: string, key: string): string {
  return `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`
}
