import type { DialectSettings } from '../../../src/http/dialects.ts'
import { type Answer, type CallOptions, LOCKS, NAMESPACE, type Service } from '../service.ts'

/** Something that is locked, in the one namespace that all APIs are set to here. */
export interface Thing {
  readonly type: string
  readonly id: string
  /** The Bimplus object that it is, or that has it below it in the catalogue. */
  readonly object: string
}

/** A lock as the native API lists it. */
export interface ListedLock {
  readonly id: string
  readonly holder: string
  readonly client: string | null
  readonly lock_time: string
  readonly resource: { readonly type: string; readonly id: string }
}

/** An answer whole: what a client can tell it by. */
export interface Words {
  readonly status: number
  readonly type: string | null
  readonly body: unknown
}

/** They say which resource types an API's own kinds of things are. */
type Settings = Required<DialectSettings>

/** A user who has signed in to one API. */
export interface Caller {
  lock(thing: Thing): Promise<Answer>
  /** What this caller has locked. */
  unlock(thing: Thing): Promise<Answer>
  /** Whom the API shows as the holder, by name. Undefined: it shows none. */
  holderOf(thing: Thing): Promise<string | undefined>
}

export interface Api {
  signIn(service: Service, user: string, key: string): Promise<Caller>
  /** How it refuses a thing that somebody else holds, under this lock; `holderNumber` is the holder's. */
  refusal(lock: ListedLock, holderNumber: number, settings: Settings): Words
  /** What comes of a lock that its holder has taken through the native API, and asks for again through this one. */
  readonly own: 'stays' | 'is a new one' | 'is in the way'
}

/** What to compare with `refusal`. */
export function wordsOf({ status, headers, text, json }: Answer): Words {
  return { status, type: headers.get('content-type'), body: json ?? text }
}

const basic = (user: string, key: string) => `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`

/** What a caller's earlier answer said of a thing: some APIs release by what they handed out. */
class Kept {
  readonly #values = new Map<string, string>()

  keep({ type, id }: Thing, value: unknown): void {
    if (value !== undefined) this.#values.set(`${type} ${id}`, String(value))
  }

  of({ type, id }: Thing): string {
    return this.#values.get(`${type} ${id}`) ?? '0'
  }
}

const native: Api = {
  own: 'is in the way',
  async signIn(service, _user, key) {
    const kept = new Kept()
    return {
      async lock(thing) {
        const { type, id } = thing
        const answer = await service.call('POST', LOCKS, { key, body: { resources: [{ type, id }] } })
        kept.keep(thing, answer.json.locks?.[0].id)
        return answer
      },
      unlock: thing => service.call('DELETE', `${LOCKS}/${kept.of(thing)}`, { key }),
      async holderOf({ type, id }) {
        const path = [NAMESPACE, 'resources', type, id, 'lock'].map(encodeURIComponent).join('/')
        return (await service.call('GET', `/v1/namespaces/${path}`, { key })).json.holder
      },
    }
  },
  refusal: lock => ({
    status: 409,
    type: 'application/problem+json',
    body: {
      type: 'urn:leasehold:error:lock_conflict',
      title: 'Somebody else holds the lock',
      status: 409,
      detail: `${lock.holder} holds the lock`,
      code: 'lock_conflict',
      conflicts: [lock],
      conflict_count: 1,
    },
  }),
}

/** Cookies as a browser sends them back. */
async function almCookies(service: Service, user: string, key: string): Promise<string> {
  const { headers } = await service.call('POST', '/qcbin/api/authentication/sign-in', {
    headers: { authorization: basic(user, key) },
  })
  return headers
    .getSetCookie()
    .map(cookie => cookie.split(';')[0])
    .join('; ')
}

const almLocks: Api = {
  own: 'stays',
  async signIn(service, user, key) {
    const cookie = await almCookies(service, user, key)
    const path = `/qcbin/api/domains/${NAMESPACE.replace('/', '/projects/')}/locks`
    const send = (method: string, below = '', options: CallOptions = {}) =>
      service.call(method, path + below, { headers: { cookie }, ...options })
    const kept = new Kept()
    return {
      async lock(thing) {
        const { type, id } = thing
        const answer = await send('POST', '', { body: { data: [{ entity: { id, type } }] } })
        kept.keep(thing, answer.json.data?.[0].id)
        return answer
      },
      unlock: thing => send('DELETE', `/${kept.of(thing)}`),
      async holderOf({ type, id }) {
        const { data } = (await send('GET')).json
        const isIt = ({ entity }: { entity: { id: unknown; type: string } }) =>
          entity.type === type && String(entity.id) === id
        return data.find(isIt)?.user
      },
    }
  },
  refusal: ({ holder }) => ({
    status: 403,
    type: 'application/json',
    body: {
      Id: 'qccore.lock-failure',
      Title: `Failed to lock entity: The entity is locked by user '${holder}'`,
      ExceptionProperties: null,
      StackTrace: null,
    },
  }),
}

const almEntities: Api = {
  own: 'stays',
  async signIn(service, user, key) {
    const cookie = await almCookies(service, user, key)
    const send = (method: string, { type, id }: Thing) =>
      service.call(
        method,
        `/qcbin/rest/domains/${NAMESPACE.replace('/', '/projects/')}/${type}s/${encodeURIComponent(id)}/lock`,
        { headers: { cookie } },
      )
    return {
      lock: thing => send('POST', thing),
      unlock: thing => send('DELETE', thing),
      holderOf: async thing => /<LockUser>(.*)<\/LockUser>/.exec((await send('GET', thing)).text)?.[1],
    }
  },
  refusal: ({ holder }) => ({
    status: 403,
    type: 'application/xml',
    body: `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><QCRestException><Id>qccore.lock-failure</Id><Title>Failed to lock entity: The entity is locked by user '${holder}'</Title></QCRestException>`,
  }),
}

const bimplus: Api = {
  own: 'stays',
  async signIn(service, user, key) {
    const { json } = await service.call('POST', '/v2/authorize', { body: { user_id: user, password: key } })
    const headers = { authorization: `BimPlus ${json.access_token}` }
    const send = (method: string, { object }: Thing) =>
      service.call(method, `/v2/${encodeURIComponent(NAMESPACE)}/objects/${object}/locks`, { headers })
    return {
      lock: thing => send('PUT', thing),
      unlock: thing => send('DELETE', thing),
      async holderOf(thing) {
        const holders: { user: { email: string }; objects: string[] }[] = (await send('GET', thing)).json
        return holders.find(({ objects }) => objects.includes(thing.id))?.user.email
      },
    }
  },
  refusal: () => ({ status: 403, type: 'text/plain; charset=utf-8', body: 'Object already locked' }),
}

const versal: Api = {
  own: 'stays',
  async signIn(service, user) {
    const { json } = await service.call('POST', '/sessions', {
      headers: { sid: service.keys.admin },
      body: { email: user },
    })
    const headers = { sid: json.sessionId }
    const { gadgetType, gadgetIds } = settingsOf(service).versal
    const subjectOf = ({ id }: Thing) => {
      const [courseId = '', gadgetId = ''] = gadgetIds === 'alone' ? ['course1', id] : id.split('/')
      return { courseId, gadgetId }
    }
    const kept = new Kept()
    return {
      async lock(thing) {
        const type = thing.type === gadgetType ? 'gadget' : thing.type
        const body = { type, subject: subjectOf(thing) }
        const answer = await service.call('POST', '/locks', { headers, body })
        kept.keep(thing, answer.json.id)
        return answer
      },
      unlock: thing => service.call('DELETE', `/locks/${kept.of(thing)}`, { headers }),
      async holderOf(thing) {
        const { courseId, gadgetId } = subjectOf(thing)
        const list = await service.call('GET', `/locks?subject.courseId=${courseId}`, { headers })
        const found = list.json.find(
          ({ subject }: { subject: { courseId: string; gadgetId: string } }) =>
            subject.courseId === courseId && subject.gadgetId === gadgetId,
        )
        return nameOf(service, found?.ownerId)
      },
    }
  },
  refusal: () => ({
    status: 403,
    type: 'application/json',
    body: { error: 403, message: 'Resource locked' },
  }),
}

const polaris: Api = {
  own: 'is in the way',
  async signIn(service, user, key) {
    const root = '/Polaris.ApplicationServices/api/v1/eng/20'
    const { json } = await service.call('POST', `${root}/authentication/staffuser`, {
      headers: { authorization: basic(`LIBRARY\\${user}`, key) },
    })
    const headers = { authorization: `PAS polaris:${json.AccessToken}:${json.AccessSecret}` }
    const path = `${root}/polaris/73/15/objectlocks`
    const asSent = (text: string) => (/^\d+$/.test(text) ? Number(text) : text)
    const typeOf = ({ type }: Thing) => objectTypeOf(settingsOf(service), type)
    return {
      lock: thing =>
        service.call('POST', path, {
          headers,
          body: { ObjectTypeID: asSent(typeOf(thing)), ObjectID: asSent(thing.id) },
        }),
      unlock: thing => service.call('DELETE', `${path}/${typeOf(thing)}/${thing.id}`, { headers }),
      async holderOf(thing) {
        const { json } = await service.call('GET', `${path}/${typeOf(thing)}/${thing.id}`, { headers })
        return nameOf(service, json.PolarisUserID)
      },
    }
  },
  refusal: ({ resource, holder, client, lock_time }, holderNumber, settings) => ({
    status: 409,
    type: 'application/json',
    body: {
      ErrorCode: 70000,
      Message: "Exception of type 'Polaris.Common.Exceptions.PolarisObjectLockException' was thrown.",
      MessageDetail: null,
      StackTrace: null,
      InnerException: null,
      Data: {
        ObjectTypeID: Number(objectTypeOf(settings, resource.type)),
        ObjectID: Number(resource.id),
        PolarisUserID: holderNumber,
        WorkstationID: 0,
        LockDate: lock_time.replace(/\.?0*Z$/, '+00:00'),
        PolarisUserName: holder,
        WorkstationName: client ?? '',
      },
    },
  }),
}

/** The number of an object type, where there is one. */
function objectTypeOf({ polaris }: Settings, type: string): string {
  const [number = type] = [...polaris.types].find(([, mapped]) => mapped === type) ?? []
  return String(number)
}

/** How paths and messages of Bridge name a type. */
function bridgeNamesOf({ bridge }: Settings, type: string): { readonly path: string; readonly word: string } {
  if (type === bridge.courseTemplateType) return { path: 'course_templates', word: 'CourseTemplate' }
  if (type === bridge.taskType) return { path: 'tasks', word: 'Task' }
  return { path: type, word: type }
}

const bridge: Api = {
  own: 'is a new one',
  async signIn(service, user, key) {
    const authorization = basic(user, key)
    const pathOf = ({ type, id }: Thing) =>
      `/api/author/${bridgeNamesOf(settingsOf(service), type).path}/${encodeURIComponent(id)}/lock`
    const kept = new Kept()
    return {
      async lock(thing) {
        const answer = await service.call('POST', pathOf(thing), { headers: { authorization } })
        kept.keep(thing, answer.json.lock?.id)
        return answer
      },
      unlock: thing =>
        service.call('DELETE', pathOf(thing), { headers: { authorization, 'x-lock-id': kept.of(thing) } }),
      async holderOf(thing) {
        const { json } = await service.call('GET', pathOf(thing), { headers: { authorization } })
        return nameOf(service, json.lock?.holder_id)
      },
    }
  },
  refusal: ({ resource, holder }, _, settings) => ({
    status: 409,
    type: 'application/json',
    body: {
      errors: [
        { message: `${bridgeNamesOf(settings, resource.type).word} ${resource.id} is locked by ${holder}` },
      ],
    },
  }),
}

/** All dialects are spoken here. */
export function settingsOf({ services }: Service): Settings {
  return services.dialects as Settings
}

async function nameOf(service: Service, number: unknown): Promise<string | undefined> {
  return number === undefined ? undefined : (await service.services.users.findByNumber(Number(number)))?.name
}

/** The native API and the five others; ALM locks in two ways, which are looked at like two. */
export const APIS = {
  native,
  'ALM, locks': almLocks,
  'ALM, entities': almEntities,
  Bimplus: bimplus,
  Versal: versal,
  Polaris: polaris,
  Bridge: bridge,
} as const satisfies Record<string, Api>

export type ApiName = keyof typeof APIS
export const API_NAMES = Object.keys(APIS) as ApiName[]
