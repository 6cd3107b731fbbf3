import { bimplus } from '../../../../src/http/dialects/bimplus/family.ts'
import type { BimplusSettings } from '../../../../src/http/dialects/bimplus/settings.ts'
import { type Answer, type CallOptions, DIALECTS, type Service } from '../../service.ts'

/** The team that the tests work in. */
export const TEAM = 'my-slug'
export const HERE = `/v1/namespaces/${TEAM}`

export const SETTINGS: BimplusSettings = DIALECTS.bimplus

const ROUTES = bimplus(SETTINGS).routes.map(({ method, path, statuses }) => ({
  method,
  pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}(?:%20)*$`),
  statuses,
}))

/** What these tests send: like `call`, but answers that the route does not name are errors, trouble aside. */
export async function send(
  service: Service,
  method: string,
  target: string,
  options: CallOptions = {},
): Promise<Answer> {
  const answer = await service.call(method, target, options)
  const [path = ''] = target.split('?')
  const route = ROUTES.find(candidate => candidate.method === method && candidate.pattern.test(path))
  if (route !== undefined && answer.status < 503 && !route.statuses.includes(answer.status)) {
    throw new Error(`${method} ${target} does not name ${answer.status}: ${answer.text}`)
  }
  return answer
}

/** A user of the team who has signed in. */
export class Colleague {
  readonly name: string
  readonly token: string
  readonly #service: Service

  constructor(service: Service, name: string, token: string) {
    this.#service = service
    this.name = name
    this.token = token
  }

  /** Calls `objects/{id}/locks` of the team. */
  locks(
    method: 'PUT' | 'GET' | 'DELETE',
    id: string,
    query = '',
    options: CallOptions = {},
  ): Promise<Answer> {
    return send(this.#service, method, `/v2/${TEAM}/objects/${id}/locks${query}`, {
      ...options,
      headers: { authorization: `BimPlus ${this.token}`, ...options.headers },
    })
  }
}

export async function signIn(
  service: Service,
  name: string,
  role: 'viewer' | 'locker' | 'admin' = 'locker',
  namespace = TEAM,
): Promise<Colleague> {
  const password = await service.keyOf(name, role, namespace)
  const { json } = await send(service, 'POST', '/v2/authorize', {
    body: { user_id: name, password, application_id: '00000000-0000-4000-8000-000000000001' },
  })
  return new Colleague(service, name, json.access_token)
}

/** Puts objects into the team's catalogue: those with elements are selections. Parents come first, or were there. */
export async function catalogue(
  service: Service,
  entries: Readonly<Record<string, { readonly parent?: string; readonly elements?: readonly string[] }>>,
): Promise<void> {
  for (const [id, { parent, elements }] of Object.entries(entries)) {
    const { status, text } = await service.call('PUT', `${HERE}/resources/object/${id}`, {
      key: service.keys.admin,
      body: {
        ...(parent !== undefined && { parent: { type: 'object', id: parent } }),
        ...(elements !== undefined && {
          kind: 'selection',
          elements: elements.map(element => ({ type: 'object', id: element })),
        }),
      },
    })
    if (status !== 200) throw new Error(text)
  }
}
