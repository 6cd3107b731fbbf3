import t from 'tap'
import { exchange, rawSocket } from './raw-socket.ts'
import { LOCKS, type Service, startService } from './service.ts'

const service = await startService(t)
const { alice } = service.keys

/** The log line of a request, which is written when the response is over. */
async function lineOf(of: Service, requestId: string) {
  const deadline = Date.now() + 5000
  for (;;) {
    const line = of.log.find(({ request_id }) => request_id === requestId)
    if (line !== undefined) return line
    if (Date.now() > deadline) throw new Error(`no line of ${requestId}`)
    await new Promise(resolve => setImmediate(resolve))
  }
}

t.test('a path that does not exist is 404, with a key and without', async t => {
  for (const path of ['/', '/nope', '/v1', '/v1/nope', '/V1/sessions', '/v1/sessions/', '//v1/sessions']) {
    const { status, json, headers } = await service.call('GET', path)
    t.equal(status, 404, path)
    t.equal(headers.get('content-type'), 'application/problem+json')
    t.match(json, { type: 'urn:leasehold:error:not_found', status: 404, code: 'not_found' })
  }
})

t.test('another method is 405 and the allowed ones are named', async t => {
  const { status, json, headers } = await service.call('PATCH', '/v1/sessions')
  t.equal(status, 405)
  t.equal(json.code, 'method_not_allowed')
  t.same(new Set(headers.get('allow')?.split(', ')), new Set(['GET', 'HEAD', 'POST']))
  t.equal((await service.call('POST', '/livez')).status, 405)
  const propfind = await exchange(
    service.port,
    'PROPFIND /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  )
  t.match(propfind, /^HTTP\/1\.1 405 /)
})

t.test('OPTIONS tells the methods of a path', async t => {
  const { status, headers } = await service.call('OPTIONS', LOCKS)
  t.equal(status, 204)
  t.same(new Set(headers.get('allow')?.split(', ')), new Set(['GET', 'HEAD', 'POST']))
})

t.test('HEAD answers as GET does, without the body', async t => {
  for (const path of ['/livez', '/readyz', '/openapi.json', '/docs']) {
    const got = await service.call('GET', path)
    const { status, text, headers } = await service.call('HEAD', path)
    t.equal(status, 200, path)
    t.equal(text, '')
    t.equal(headers.get('content-length'), String(Buffer.byteLength(got.text)))
    t.equal(headers.get('content-type'), got.headers.get('content-type'))
  }
  t.equal((await service.call('HEAD', LOCKS, { key: alice })).status, 200)
  t.equal((await service.call('HEAD', LOCKS)).status, 401)
})

t.test('a malformed target is 400 before anything is routed', async t => {
  for (const target of ['/v1/namespaces/a%E0%A4%A/locks', '/v1/namespaces/a%ff/locks', '/livez?x=%00', '*']) {
    const answer = await exchange(
      service.port,
      `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    )
    t.match(answer, /^HTTP\/1\.1 400 /, target)
    t.match(answer, /"field":"(path|query)"/)
  }
})

t.test('a request of HTTP/1.1 without a host is 400, one of HTTP/1.0 is answered', async t => {
  t.match(await exchange(service.port, 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n'), /header Host/)
  t.match(await exchange(service.port, 'GET /livez HTTP/1.0\r\n\r\n'), /"live"/)
})

t.test('a target past 8 KB is 414', async t => {
  const { status, json } = await service.call('GET', `/livez?${'x'.repeat(9000)}`)
  t.equal(status, 414)
  t.equal(json.code, 'uri_too_long')
})

t.test('a target with scheme and host is understood', async t => {
  const answer = await exchange(
    service.port,
    'GET http://lock.example/livez HTTP/1.1\r\nHost: lock.example\r\nConnection: close\r\n\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 200 /)
})

t.test('a sane request id is kept, in the header, the problem and the log', async t => {
  const id = 'build-4711.step_2'
  const { headers, json } = await service.call('GET', '/nope', { headers: { 'x-request-id': id } })
  t.equal(headers.get('x-request-id'), id)
  t.equal(json.request_id, id)
  t.match(await lineOf(service, id), {
    method: 'GET',
    route: 'none',
    status: 404,
    code: 'not_found',
    level: 30,
  })
})

t.test('another request id is replaced', async t => {
  for (const id of ['a b', 'x'.repeat(65), '"', 'a/b']) {
    const { headers } = await service.call('GET', '/livez', { headers: { 'x-request-id': id } })
    t.match(headers.get('x-request-id'), /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
  }
})

t.test('the log has the pattern, the user and the namespace, and nothing that a client wrote', async t => {
  const id = 'log-1'
  await service.call('GET', `${LOCKS}?holder=a-secret-name&id=another-secret`, {
    key: alice,
    headers: { 'x-request-id': id },
  })
  const line = await lineOf(service, id)
  t.match(line, {
    route: '/v1/namespaces/{namespace}/locks',
    status: 200,
    user: 'alice',
    namespace: 'DEFAULT/REST',
    duration_ms: Number,
    level: 30,
  })
  t.notMatch(JSON.stringify(line), /secret/)
})

t.test('probes are logged below the level of requests', async t => {
  await service.call('GET', '/livez', { headers: { 'x-request-id': 'probe-1' } })
  t.match(await lineOf(service, 'probe-1'), { level: 20, route: '/livez' })
})

t.test('answers are not to be sniffed, and those of the API not to be stored', async t => {
  const { headers } = await service.call('GET', LOCKS, { key: alice })
  t.equal(headers.get('x-content-type-options'), 'nosniff')
  t.equal(headers.get('cache-control'), 'no-store')
})

t.test('a client that goes away is 499 in the log', async t => {
  const raw = await rawSocket(service.port)
  raw.socket.write(
    `POST ${LOCKS} HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone-1\r\nAuthorization: Bearer ${alice}\r\n` +
      'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  )
  raw.socket.resetAndDestroy()
  t.match(await lineOf(service, 'gone-1'), { status: 499, level: 30 })
})

t.test(
  'an error that nobody expected is 500, in the log with its stack, and tells the client nothing',
  async t => {
    const broken = await startService(t, {
      readiness: async () => {
        throw new TypeError('password=hunter2 at 10.0.0.1')
      },
    })
    const { status, text, json } = await broken.call('GET', '/readyz')
    t.equal(status, 500)
    t.equal(json.code, 'internal')
    t.notMatch(text, /hunter2|TypeError|10\.0\.0\.1/)
    t.match(await lineOf(broken, json.request_id), {
      level: 50,
      status: 500,
      err: { type: 'TypeError', message: /hunter2/, stack: /app\.test/ },
    })
  },
)

t.test('readiness names every problem', async t => {
  const problems: string[] = []
  let isDraining = false
  const changing = await startService(t, { readiness: async () => problems, isDraining: () => isDraining })
  t.match(await changing.call('GET', '/readyz'), { status: 200, json: { status: 'ready' } })
  problems.push('the database cannot be reached', 'the schema is old')
  const { status, json } = await changing.call('GET', '/readyz')
  t.equal(status, 503)
  t.match(json, {
    code: 'not_ready',
    detail: 'the database cannot be reached; the schema is old',
    errors: [{ message: 'the database cannot be reached' }, { message: 'the schema is old' }],
  })
  t.equal((await changing.call('GET', '/livez')).status, 200)
  problems.length = 0
  isDraining = true
  t.match(await changing.call('GET', '/readyz'), { status: 503, json: { detail: 'the service is stopping' } })
  t.equal((await changing.call('GET', '/livez')).status, 200)
})
