import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { readConfig } from '../../src/config.ts'
import { ApiKeyRepository } from '../../src/database/api-key-repository.ts'
import { CatalogueRepository } from '../../src/database/catalogue-repository.ts'
import { HistoryRepository } from '../../src/database/history-repository.ts'
import { SignInRepository } from '../../src/database/sign-in-repository.ts'
import { UserRepository } from '../../src/database/user-repository.ts'
import { dialectSettings } from '../../src/dialect-settings.ts'
import { apiDocument, createApp } from '../../src/http/app.ts'
import type { DialectSettings } from '../../src/http/dialects.ts'
import { Metrics } from '../../src/http/metrics.ts'
import { HttpServer } from '../../src/http/server.ts'
import type { AppServices } from '../../src/http/services.ts'
import { v1 } from '../../src/http/v1/family.ts'
import type { Principal, Role } from '../../src/locks/api-key.ts'
import { CatalogueService } from '../../src/locks/catalogue-service.ts'
import type { FailedLookups } from '../../src/locks/failed-lookups.ts'
import { HistoryService } from '../../src/locks/history-service.ts'
import { KeyService } from '../../src/locks/key-service.ts'
import { type AuditEvent, LockService } from '../../src/locks/lock-service.ts'
import { SessionService } from '../../src/locks/session-service.ts'
import { SignInService } from '../../src/locks/sign-in-service.ts'
import { UserService } from '../../src/locks/user-service.ts'
import type { AnyJson } from '../support/any-json.ts'
import { openStores, type Stores } from '../support/database.ts'

interface Test {
  teardown(task: () => Promise<void> | void): void
}

/** The namespace that the tests' keys are for. It has a slash, as real ones do. */
export const NAMESPACE = 'DEFAULT/REST'
export const LOCKS = `/v1/namespaces/${encodeURIComponent(NAMESPACE)}/locks`

export interface CallOptions {
  readonly key?: string | undefined
  /** Sent as JSON. */
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** A body of JSON lines, as it is sent. */
  readonly lines?: string | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; undefined where it is none. */
  readonly json: AnyJson
}

export interface Service {
  readonly url: string
  readonly port: number
  readonly server: HttpServer
  readonly services: AppServices
  readonly stores: Stores
  readonly audit: readonly AuditEvent[]
  /** The lines of the log, as objects. */
  readonly log: readonly Record<string, unknown>[]
  /** `<operationId> <status> <code>` of every answer so far. */
  readonly seen: Set<string>
  /** Of the key's user, `alice` where the role is locker. */
  readonly keys: {
    readonly admin: string
    readonly alice: string
    readonly bob: string
    readonly viewer: string
  }
  keyOf(user: string, role: Role, namespace?: string): Promise<string>
  /** Sends a request and checks that the document allows its answer. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
}

/** Every dialect, with the settings that a service has unless it is told otherwise. */
export const DIALECTS = dialectSettings(readConfig({})) as Required<DialectSettings>

const ROOT: Principal = { keyId: '0', user: 'root', role: 'admin', namespace: '*' }

/** The service on a database of its own, listening. Stopped when the test ends. */
export async function startService(
  t: Test,
  {
    stores: settings = {},
    failedLookups,
    ...overrides
  }: Partial<AppServices> & {
    stores?: Parameters<typeof openStores>[1]
    failedLookups?: FailedLookups
  } = {},
): Promise<Service> {
  const stores = await openStores(t, settings)
  const audit: AuditEvent[] = []
  const log: Record<string, unknown>[] = []
  const keys = new KeyService(new ApiKeyRepository(stores.database), 5, failedLookups)
  const services: AppServices = {
    locks: new LockService(stores.locks, event => audit.push(event)),
    sessions: new SessionService(stores.sessions),
    catalogue: new CatalogueService(new CatalogueRepository(stores.database)),
    history: new HistoryService(new HistoryRepository(stores.database)),
    keys,
    signIns: new SignInService(new SignInRepository(stores.database), stores.sessions, keys, failedLookups),
    users: new UserService(new UserRepository(stores.database)),
    dialects: DIALECTS,
    readiness: async () => [],
    metrics: new Metrics(),
    log: pino({ level: 'debug' }, linesInto(log)),
    ...overrides,
  }
  const server = new HttpServer(createApp(services).callback())
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.drain(1000))
  const url = `http://127.0.0.1:${port}`
  const keyOf = async (user: string, role: Role, namespace = NAMESPACE) =>
    (await services.keys.create(ROOT, { user, role, namespace, ttlSeconds: null })).key
  const seen = new Set<string>()
  return {
    url,
    port,
    server,
    services,
    stores,
    audit,
    log,
    seen,
    keyOf,
    keys: await keysOf(keyOf),
    call: (method, path, options) => call(url, seen, method, path, options),
  }
}

async function keysOf(keyOf: Service['keyOf']): Promise<Service['keys']> {
  return {
    admin: await keyOf('root', 'admin', '*'),
    alice: await keyOf('alice', 'locker'),
    bob: await keyOf('bob', 'locker'),
    viewer: await keyOf('victor', 'viewer'),
  }
}

function linesInto(log: Record<string, unknown>[]): Writable {
  return new Writable({
    write(line: Buffer, _encoding, done) {
      log.push(JSON.parse(line.toString()))
      done()
    },
  })
}

async function call(
  url: string,
  seen: Set<string>,
  method: string,
  path: string,
  { key, body, lines, headers = {} }: CallOptions = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(lines !== undefined && { 'content-type': 'application/x-ndjson' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(lines !== undefined && { body: lines }),
  })
  const text = await response.text()
  const isJson = /^application\/(problem\+)?json$/.test(response.headers.get('content-type') ?? '')
  const json = isJson && text !== '' ? JSON.parse(text) : undefined
  const answer = { status: response.status, headers: response.headers, text, json }
  const operation = requireDocumented(method, path, answer)
  if (operation !== undefined) seen.add([operation, answer.status, json?.code ?? ''].join(' ').trim())
  return answer
}

interface Documented {
  readonly operationId: string
  readonly responses: Record<string, { content?: Record<string, { examples?: Record<string, unknown> }> }>
}
const DOCUMENT = apiDocument() as { readonly paths: Record<string, Record<string, Documented>> }
const PATHS = Object.entries(DOCUMENT.paths).map(([template, methods]) => ({
  pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  methods,
}))

/** Throws where the document does not allow the answer; otherwise says which operation it was. */
function requireDocumented(method: string, target: string, answer: Answer): string | undefined {
  const path = target.split('?')[0] ?? ''
  const operation = PATHS.find(({ pattern }) => pattern.test(path))?.methods[method.toLowerCase()]
  if (operation === undefined) return undefined
  const { operationId } = operation
  const response = operation.responses[answer.status]
  if (response === undefined)
    throw new Error(`${operationId} does not document ${answer.status}: ${answer.text}`)
  const type = answer.headers.get('content-type') ?? ''
  if (type === 'application/problem+json') {
    const examples = response.content?.[type]?.examples ?? {}
    if (!(answer.json.code in examples)) {
      throw new Error(`${operationId} ${answer.status} does not document ${answer.json.code}`)
    }
  } else {
    const route = v1.routes.find(candidate => candidate.operationId === operationId)
    route?.replies[answer.status]?.schema?.parse(answer.json)
  }
  return operationId
}

/** What the document tells of an operation, as `<operationId> <status> <code>`: all but what every call shares. */
export function documentedAnswers(...operationIds: readonly string[]): string[] {
  return v1.routes
    .filter(route => operationIds.includes(route.operationId))
    .flatMap(route => [
      ...Object.keys(route.replies).map(status => `${route.operationId} ${status}`),
      ...Object.values(DOCUMENT.paths[route.path]?.[route.method.toLowerCase()]?.responses ?? {}).flatMap(
        ({ content }) =>
          Object.entries(content?.['application/problem+json']?.examples ?? {}).flatMap(([code, example]) =>
            route.refusals.some(refusal => refusal === code)
              ? `${route.operationId} ${(example as { value: { status: number } }).value.status} ${code}`
              : [],
          ),
      ),
    ])
}

/** A name that no other test has used. */
export function uniqueId(): string {
  return randomBytes(8).toString('hex')
}
