import t from 'tap'
import { DEFAULT_HTTP_LIMITS, HttpServer } from '../../src/http/server.ts'
import { FailedLookups } from '../../src/locks/failed-lookups.ts'
import { RateLimiter } from '../../src/locks/rate-limiter.ts'
import { rawSocket } from './raw-socket.ts'
import { LOCKS, NAMESPACE, type Service, startService } from './service.ts'

const basic = (user: string, key: string) => `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`

/** A change, and how somebody signs it. */
interface Signed {
  readonly method: string
  readonly path: string
  signedIn(service: Service): Promise<Readonly<Record<string, string>>>
  /** What the answer's body has, in the words of the API. */
  readonly words: RegExp
  readonly type: RegExp
}

const POLARIS = '/Polaris.ApplicationServices/api/v1/eng/20'

const APIS: Readonly<Record<string, Signed>> = {
  native: {
    method: 'POST',
    path: LOCKS,
    signedIn: async ({ keys }) => ({ authorization: `Bearer ${keys.alice}` }),
    words: /"code":"rate_limited"/,
    type: /^application\/problem\+json$/,
  },
  alm: {
    method: 'POST',
    path: `/qcbin/api/domains/${NAMESPACE.replace('/', '/projects/')}/locks`,
    async signedIn(service) {
      const { headers } = await service.call('POST', '/qcbin/api/authentication/sign-in', {
        headers: { authorization: basic('alice', service.keys.alice) },
      })
      const cookie = headers
        .getSetCookie()
        .map(field => field.split(';')[0])
        .join('; ')
      return { cookie }
    },
    words: /"Id":"qccore\.general-error"/,
    type: /^application\/json/,
  },
  bimplus: {
    method: 'PUT',
    path: `/v2/${encodeURIComponent(NAMESPACE)}/objects/1/locks`,
    async signedIn(service) {
      const body = { user_id: 'alice', password: service.keys.alice }
      const { json } = await service.call('POST', '/v2/authorize', { body })
      return { authorization: `BimPlus ${json.access_token}` }
    },
    words: /^\{"message":"this key has sent too many requests/,
    type: /^application\/json/,
  },
  versal: {
    method: 'POST',
    path: '/locks',
    signedIn: async ({ keys }) => ({ sid: keys.alice }),
    words: /^\{"error":429,/,
    type: /^application\/json/,
  },
  polaris: {
    method: 'POST',
    path: `${POLARIS}/polaris/73/15/objectlocks`,
    async signedIn(service) {
      const { json } = await service.call('POST', `${POLARIS}/authentication/staffuser`, {
        headers: { authorization: basic('alice', service.keys.alice) },
      })
      return { authorization: `PAS polaris:${json.AccessToken}:${json.AccessSecret}` }
    },
    words: /"ErrorCode":429,/,
    type: /^application\/json/,
  },
  bridge: {
    method: 'POST',
    path: '/api/author/tasks/1/lock',
    signedIn: async ({ keys }) => ({ authorization: `Bearer ${keys.alice}` }),
    words: /^\{"errors":\[\{"message":/,
    type: /^application\/json/,
  },
  terraform: {
    method: 'LOCK',
    path: `/terraform/${encodeURIComponent(NAMESPACE)}/a/lock`,
    signedIn: async ({ keys }) => ({ authorization: basic('alice', keys.alice) }),
    words: /"code":"rate_limited"/,
    type: /^application\/problem\+json$/,
  },
  'git-lfs': {
    method: 'POST',
    path: `/lfs/${encodeURIComponent(NAMESPACE)}/a/locks`,
    signedIn: async ({ keys }) => ({ authorization: basic('alice', keys.alice) }),
    words: /"message":"this key has sent too many requests/,
    type: /^application\/vnd\.git-lfs\+json$/,
  },
}

t.test('a key that comes too often', async t => {
  const time = { ms: 0 }
  const keyRates = new RateLimiter({ perSecond: 0.5, burst: 1 }, () => time.ms)
  const service = await startService(t, { keyRates })

  for (const [name, { method, path, signedIn, words, type }] of Object.entries(APIS)) {
    t.test(`is told so in the words of ${name}, before its body has arrived`, async t => {
      const headers = await signedIn(service)
      time.ms += 10_000
      const head = [
        `${method} ${path} HTTP/1.1`,
        'Host: x',
        ...Object.entries(headers).map(([field, value]) => `${field}: ${value}`),
        'Content-Type: application/json',
        'Content-Length: 10',
      ].join('\r\n')
      // takes what there is: the body is no JSON, which is told only to whoever may come
      const first = await rawSocket(service.port)
      first.socket.write(`${head}\r\nConnection: close\r\n\r\n0123456789`)
      t.notMatch(await first.closed(), /^HTTP\/1\.1 429/)
      const second = await rawSocket(service.port)
      t.teardown(() => second.socket.destroy())
      second.socket.write(`${head}\r\n\r\n`)
      const answer = await second.until(/\r\n\r\n./s)
      t.match(answer, /^HTTP\/1\.1 429 Too Many Requests\r\n/)
      t.match(answer, /\r\nRetry-After: 2\r\n/)
      t.match(/\r\ncontent-type: (.*)\r\n/i.exec(answer)?.[1], type)
      t.match(answer.slice(answer.indexOf('\r\n\r\n') + 4), words)
      // the connection is good for more, behind the body that nobody wanted
      time.ms += 10_000
      second.socket.write(`0123456789GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      t.match(await second.closed(), /\{"status":"live"\}$/)
    })
  }

  t.test('does not keep others from coming', async t => {
    time.ms += 10_000
    const { alice, bob } = service.keys
    t.equal((await service.call('GET', LOCKS, { key: alice })).status, 200)
    t.equal((await service.call('GET', LOCKS, { key: alice })).status, 429)
    t.equal((await service.call('GET', LOCKS, { key: bob })).status, 200)
    t.equal((await service.call('GET', '/livez')).status, 200)
  })

  t.test('counts for all sign-ins of it together', async t => {
    time.ms += 10_000
    const signIn = () =>
      service.call('POST', '/v2/authorize', { body: { user_id: 'bob', password: service.keys.bob } })
    t.equal((await signIn()).status, 200)
    t.equal((await signIn()).status, 429)
    t.equal((await service.call('GET', LOCKS, { key: service.keys.bob })).status, 429)
  })
})

t.test('a flood of keys that nobody knows', async t => {
  const failedLookups = new FailedLookups({ perSecond: 1, burst: 5 }, () => 0)
  const service = await startService(t, { failedLookups })
  const { alice, bob } = service.keys
  t.equal((await service.call('GET', LOCKS, { key: alice })).status, 200)
  const flood = await Promise.all(
    Array.from({ length: 50 }, (_, index) => service.call('GET', LOCKS, { key: `unknown-${index}` })),
  )

  t.test('is answered without a query after the first few', async t => {
    const statuses = flood.map(({ status }) => status)
    t.equal(statuses.filter(status => status === 401).length, 5)
    t.equal(statuses.filter(status => status === 429).length, 45)
    const refused = flood.find(({ status }) => status === 429)
    t.equal(refused?.json.code, 'rate_limited')
    t.equal(refused?.headers.get('retry-after'), '1')
  })

  t.test('does not reach a key that was known before it', async t => {
    t.equal((await service.call('GET', LOCKS, { key: alice })).status, 200)
    t.equal(
      (await service.call('GET', LOCKS, { key: bob })).status,
      429,
      'a key that nobody has met yet waits',
    )
  })

  t.test('has no other way in: every kind of sign-in is counted', async t => {
    const tries = {
      'ALM sign-in': ['POST', '/qcbin/api/authentication/sign-in', { authorization: basic('x', 'unknown') }],
      'ALM cookie': ['GET', '/qcbin/rest/is-authenticated', { cookie: 'LWSSO_COOKIE_KEY=unknown' }],
      'ALM sign-out': ['GET', '/qcbin/api/authentication/sign-out', { cookie: 'QCSession=unknown' }],
      'Bimplus token': ['GET', '/v2/authorize', { authorization: 'BimPlus unknown' }],
      'Versal session': ['GET', '/session', { sid: crypto.randomUUID() }],
      'Versal key': ['GET', '/session', { sid: 'unknown' }],
      'Polaris sign-in': [
        'POST',
        `${POLARIS}/authentication/staffuser`,
        { authorization: basic('x', 'unknown') },
      ],
      'Polaris oauth': [
        'POST',
        `${POLARIS}/authentication/staffuser/oauth`,
        { authorization: 'Bearer unknown' },
      ],
      'Polaris token': [
        'GET',
        `${POLARIS}/polaris/73/15/objectlocks`,
        { authorization: `PAS polaris:${'0'.repeat(32)}:${'0'.repeat(16)}` },
      ],
      'Bridge key': ['GET', '/api/author/tasks/1/lock', { authorization: 'Bearer unknown' }],
      'Terraform key': ['GET', '/terraform/x/y/lock', { authorization: basic('x', 'unknown') }],
      'Git LFS key': ['GET', '/lfs/x/y/locks', { authorization: basic('x', 'unknown') }],
    } as const
    for (const [what, [method, path, headers]] of Object.entries(tries)) {
      const { status } = await service.call(method, path, { headers })
      t.equal(status, 429, what)
    }
    const body = { user_id: 'x', password: 'unknown' }
    t.equal((await service.call('POST', '/v2/authorize', { body })).status, 429, 'Bimplus sign-in')
  })
})

t.test('connections', async t => {
  const refused: string[] = []
  const listening = async (limits: Partial<typeof DEFAULT_HTTP_LIMITS>) => {
    const server = new HttpServer(
      (_request, response) => response.end('done'),
      { ...DEFAULT_HTTP_LIMITS, ...limits },
      limit => refused.push(limit),
    )
    t.teardown(() => server.drain(0))
    return { server, port: (await server.listen({ host: '127.0.0.1', port: 0 })).port }
  }
  const isServed = async (port: number) => {
    const raw = await rawSocket(port)
    raw.socket.write('GET /x HTTP/1.1\r\nHost: x\r\n\r\n')
    return await raw.until(/done/).then(
      () => raw,
      () => undefined,
    )
  }

  for (const [limit, limits] of [
    ['in_all', { maxConnections: 2 }],
    ['per_client', { maxConnectionsPerClient: 2 }],
  ] as const) {
    t.test(`past the limit ${limit} are closed, and there is room again when one has gone`, async t => {
      const { server, port } = await listening(limits)
      const [first, second] = [await isServed(port), await isServed(port)]
      t.ok(first && second)
      t.equal(server.openConnections, 2)
      t.equal(await isServed(port), undefined)
      t.same(refused.splice(0), [limit])
      t.equal(server.openConnections, 2)
      first?.socket.destroy()
      while (server.openConnections > 1) await new Promise(resolve => setImmediate(resolve))
      t.ok(await isServed(port))
      t.same(refused, [])
    })
  }
})
