import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import t from 'tap'
import { ApiKeyRepository } from '../../../src/database/api-key-repository.ts'
import { CatalogueRepository } from '../../../src/database/catalogue-repository.ts'
import { Database } from '../../../src/database/database.ts'
import { HistoryRepository } from '../../../src/database/history-repository.ts'
import { LockRepository } from '../../../src/database/lock-repository.ts'
import { SessionRepository } from '../../../src/database/session-repository.ts'
import { v1 } from '../../../src/http/v1/family.ts'
import { CatalogueService } from '../../../src/locks/catalogue-service.ts'
import { HistoryService } from '../../../src/locks/history-service.ts'
import { KeyService } from '../../../src/locks/key-service.ts'
import { LockService } from '../../../src/locks/lock-service.ts'
import { SessionService } from '../../../src/locks/session-service.ts'
import { POOL_SETTINGS } from '../../support/database.ts'
import { connectedTo } from '../../support/scratch-database.ts'
import { startService } from '../service.ts'

/** What every call can be refused with, for every call of the table. */

const service = await startService(t, { stores: { lockTimeoutMs: 50, statementTimeoutMs: 300 } })
const { admin } = service.keys

const VALUES: Readonly<Record<string, string>> = {
  namespace: 'DEFAULT%2FREST',
  lock: '999999',
  type: 'file',
  id: 'x',
  session: randomUUID(),
  key: '999999',
}

/** For each role that a call needs, a key of the next lower one, for every namespace. */
const TOO_LOW: Readonly<Record<string, string>> = {
  locker: await service.keyOf('victor', 'viewer', '*'),
  admin: await service.keyOf('alice', 'locker', '*'),
}

const requests = v1.routes.map(route => ({
  route,
  path: route.path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => VALUES[name] ?? ''),
  body: route.access === 'public' ? undefined : Object.values(route.bodyExamples ?? {})[0]?.value,
  lines: route.access === 'public' || route.lines === undefined ? undefined : '',
}))

for (const { route, path, body, lines } of requests) {
  const { method, operationId } = route

  t.test(`${operationId} needs a key`, async t => {
    const { status, json, headers } = await service.call(method, path, { body, lines })
    t.equal(status, 401)
    t.equal(json.code, 'unauthenticated')
    t.match(headers.get('www-authenticate'), /Bearer.*Basic/)
  })

  t.test(
    `${operationId} refuses a query parameter that it does not know, and one that is repeated`,
    async t => {
      const unknown = await service.call(method, `${path}?colour=red`, { key: admin, body, lines })
      t.equal(unknown.status, 400)
      t.match(unknown.json, {
        code: 'invalid_request',
        errors: [{ field: 'query colour', message: 'is not a parameter of this call' }],
      })
      const twice = await service.call(method, `${path}?limit=1&limit=2`, { key: admin, body, lines })
      t.equal(twice.status, 400)
      t.match(twice.json.errors, [{ field: 'query limit', message: 'is given more than once' }])
    },
  )

  t.test(`${operationId} refuses a target that is too long`, async t => {
    const { status, json } = await service.call(method, `${path}?${'x'.repeat(8200)}`, {
      key: admin,
      body,
      lines,
    })
    t.equal(status, 414)
    t.equal(json.code, 'uri_too_long')
  })

  t.test(`${operationId} is refused below the role ${route.access}, and not for it`, async t => {
    const lower = TOO_LOW[route.access]
    if (lower !== undefined) {
      const { status, json } = await service.call(method, path, { key: lower, body, lines })
      t.equal(status, 403)
      t.equal(json.code, 'forbidden')
    }
    const enough =
      route.access === 'viewer' ? TOO_LOW.locker : route.access === 'locker' ? TOO_LOW.admin : admin
    t.not((await service.call(method, path, { key: enough, body, lines })).status, 403)
  })

  if (body !== undefined) {
    t.test(
      `${operationId} refuses a body that is too large, of another type, or has an unknown field`,
      async t => {
        const large = await service.call(method, path, { key: admin, body: 'x'.repeat(300_000) })
        t.equal(large.status, 413)
        const text = await service.call(method, path, {
          key: admin,
          body,
          headers: { 'content-type': 'text/plain' },
        })
        t.equal(text.status, 415)
        const unknown = await service.call(method, path, { key: admin, body: { ...body, colour: 'red' } })
        t.equal(unknown.status, 400)
        t.match(unknown.json.errors, [{ field: 'colour', message: 'is not a field of this request' }])
      },
    )
  }
}

t.test('while the database cannot be reached, every call is 503 and says that nothing changed', async t => {
  const port = await freePort()
  const database = new Database({ ...POOL_SETTINGS, url: `postgres://x@127.0.0.1:${port}/x` }, 'leasehold')
  t.teardown(() => database.close())
  const cut = await startService(t, {
    locks: new LockService(new LockRepository(database, { retried() {} }), () => {}),
    sessions: new SessionService(new SessionRepository(database, 3600)),
    catalogue: new CatalogueService(new CatalogueRepository(database)),
    history: new HistoryService(new HistoryRepository(database)),
  })
  for (const { route, path, body, lines } of requests.filter(
    request => !request.path.startsWith('/v1/keys'),
  )) {
    const { status, json, headers } = await cut.call(route.method, path, { key: cut.keys.admin, body, lines })
    t.equal(status, 503, route.operationId)
    t.match(json, { code: 'database_unavailable', outcome: 'unchanged' })
    t.equal(headers.get('retry-after'), '1')
  }
  const withoutKeys = await startService(t, {
    keys: new KeyService(new ApiKeyRepository(database), 5),
  }).catch(error => error)
  t.match(withoutKeys, { code: 'database_unavailable' }, 'a key cannot be made either')
})

t.test('while the database is too slow, every call is 504', async t => {
  for (const { path, route } of requests) await service.call(route.method, path, { key: admin })
  const other = await connectedTo(t, service.stores.url)
  await other.query('begin')
  await other.query(
    `lock table leasehold.sessions, leasehold.locks, leasehold.api_keys, leasehold.namespaces, leasehold.resources,
       leasehold.lock_events
     in access exclusive mode`,
  )
  for (const { route, path, body, lines } of requests) {
    const { status, json, headers } = await service.call(route.method, path, { key: admin, body, lines })
    t.equal(status, 504, route.operationId)
    t.match(json, { code: 'database_timeout', outcome: 'unchanged' })
    t.equal(headers.get('retry-after'), '1')
  }
  await other.query('rollback')
  t.equal((await service.call('GET', '/v1/sessions', { key: admin })).status, 200)
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
