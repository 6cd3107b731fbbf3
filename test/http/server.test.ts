import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, Server } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import Koa from 'koa'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Metrics } from '../../src/http/metrics.ts'
import { requestLog } from '../../src/http/request-log.ts'
import { DEFAULT_HTTP_LIMITS, HttpServer } from '../../src/http/server.ts'
import { until } from '../support/until.ts'
import { exchange, rawSocket } from './raw-socket.ts'

const GET = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function listening(
  t: { teardown(task: () => Promise<void>): void },
  handle: Handler,
  limits = DEFAULT_HTTP_LIMITS,
) {
  const server = new HttpServer(handle, limits)
  t.teardown(() => server.drain(0))
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, port }
}

/** Answers when the test says so. */
function heldBack() {
  const waiting: ServerResponse[] = []
  const arrivals = new EventTarget()
  let isHeld = true
  return {
    handle: (_request: IncomingMessage, response: ServerResponse) => {
      waiting.push(response)
      if (!isHeld) response.end('done')
      arrivals.dispatchEvent(new Event('request'))
    },
    async arrived(count: number) {
      while (waiting.length < count) await once(arrivals, 'request', { signal: AbortSignal.timeout(5000) })
    },
    answerAll() {
      for (const response of waiting) response.end('done')
    },
    answerFromNowOn() {
      isHeld = false
      this.answerAll()
    },
    count: () => waiting.length,
  }
}

async function noneOpen(server: HttpServer): Promise<void> {
  const deadline = AbortSignal.timeout(5000)
  while (server.openConnections > 0) {
    deadline.throwIfAborted()
    await new Promise(resolve => setImmediate(resolve))
  }
}

const answerAtOnce: Handler = (_request, response) => response.end('done')

t.test('a port in use is an error with the code of the system', async t => {
  const { port } = await listening(t, answerAtOnce)
  const second = new HttpServer(answerAtOnce)
  await t.rejects(second.listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
})

t.test('connections that the system does not let it take end nothing, and are told now and then', async t => {
  let net: Server | undefined
  const told: unknown[] = []
  const server = new HttpServer(
    (request, response) => {
      if ('server' in request.socket && request.socket.server instanceof Server) net = request.socket.server
      response.end('done')
    },
    DEFAULT_HTTP_LIMITS,
    undefined,
    (error, count) => told.push([error, count]),
  )
  t.teardown(() => server.drain(0))
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  const get = 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  t.match(await exchange(port, get), /done/)
  // as Node tells of it: where the descriptors run out the event loop closes most such connections itself
  const error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' })
  for (let time = 0; time < 1000; time += 1) net?.emit('error', error)
  t.match(await exchange(port, get), /done/)
  t.same(told, [[error, 1]])
})

t.test('a drain answers what is under way, says close, and takes nothing new', async t => {
  const held = heldBack()
  const { server, port } = await listening(t, held.handle)
  const raw = await rawSocket(port)
  raw.socket.write(GET)
  await held.arrived(1)
  const drained = server.drain(10_000)
  t.equal(server.isDraining, true)
  await t.rejects(rawSocket(port), { code: 'ECONNREFUSED' })
  held.answerAll()
  const answer = await raw.closed()
  await drained
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(answer, /\r\nConnection: close\r\n/i)
  t.match(answer, /\r\ndone\r\n|done$/)
})

t.test('a drain does not wait for the keep-alive time-out of any socket', async t => {
  const held = heldBack()
  const { server, port } = await listening(t, held.handle)
  const first = await rawSocket(port)
  first.socket.write(GET)
  const second = await rawSocket(port)
  second.socket.write(GET)
  await held.arrived(2)
  const started = performance.now()
  const drained = server.drain(30_000)
  held.answerAll()
  await drained
  const tookMs = performance.now() - started
  t.ok(tookMs < 3000, `the drain took ${Math.round(tookMs)} ms, the keep-alive time-out is 65 s`)
  for (const raw of [first, second]) t.match(await raw.closed(), /200 OK/)
})

t.test('a socket whose answer was begun before the drain is closed once it is idle', async t => {
  let response: ServerResponse | undefined
  const { server, port } = await listening(t, (_request, answer) => {
    response = answer
    answer.write('first ')
  })
  const raw = await rawSocket(port)
  raw.socket.write(GET)
  await raw.until(/first/)
  t.match(raw.received(), /Connection: keep-alive/i)
  const started = performance.now()
  const drained = server.drain(30_000)
  response?.end('last')
  await drained
  t.ok(performance.now() - started < 3000)
  t.match(await raw.closed(), /last/)
})

t.test('a first request that is on its way when a drain begins is answered', async t => {
  const { server, port } = await listening(t, answerAtOnce)
  const raw = await rawSocket(port)
  await until('the socket was accepted', () => server.openConnections === 1)
  const drained = server.drain(10_000)
  raw.socket.write(GET)
  t.match(await raw.closed(), /200 OK[\s\S]*Connection: close/i)
  await drained
})

t.test('half a request behind one that was answered before a drain is answered when it is whole', async t => {
  const { server, port } = await listening(t, answerAtOnce)
  const raw = await rawSocket(port)
  raw.socket.write(GET + GET.slice(0, 10))
  await raw.until(/done/)
  const drained = server.drain(10_000)
  raw.socket.write(GET.slice(10))
  t.match(await raw.closed(), /200 OK[\s\S]*200 OK[\s\S]*Connection: close/i)
  await drained
})

t.test('a socket that never said a word holds up a drain for a moment only', async t => {
  const { server, port } = await listening(t, answerAtOnce)
  const silent = await rawSocket(port)
  const started = performance.now()
  await server.drain(30_000)
  t.ok(performance.now() - started < 3000)
  t.equal(await silent.closed(), '')
})

t.test(
  'a request that comes on an open socket during a drain is answered, and the socket closed',
  async t => {
    const held = heldBack()
    const { server, port } = await listening(t, held.handle)
    const raw = await rawSocket(port)
    // half a request is no idle socket
    raw.socket.write(GET.slice(0, 10))
    const other = await rawSocket(port)
    other.socket.write(GET)
    await held.arrived(1)
    const drained = server.drain(10_000)
    raw.socket.write(GET.slice(10))
    await held.arrived(2)
    held.answerAll()
    await drained
    t.match(await raw.closed(), /200 OK[\s\S]*Connection: close/i)
  },
)

t.test('at the deadline a drain cuts what is left', async t => {
  const { server, port } = await listening(t, () => {})
  const raw = await rawSocket(port)
  raw.socket.write(GET)
  const started = performance.now()
  await server.drain(300)
  const tookMs = performance.now() - started
  t.ok(tookMs >= 290 && tookMs < 3000, `took ${Math.round(tookMs)} ms`)
  t.equal(await raw.closed(), '')
})

t.test('bytes that are no request are answered with a problem document', async t => {
  const { port } = await listening(t, answerAtOnce)
  for (const [bytes, status] of [
    ['nonsense\r\n\r\n', 400],
    ['BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    [`GET /x HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ] as const) {
    const answer = await exchange(port, bytes)
    const what = JSON.stringify(bytes.slice(0, 30))
    t.ok(answer.startsWith(`HTTP/1.1 ${status} `), `${what} is ${status}`)
    t.match(answer, /Content-Type: application\/problem\+json/, what)
    const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
    t.match(problem, { status, code: 'invalid_request', request_id: /^[0-9a-f-]{36}$/ }, what)
  }
})

t.test('a request that does not arrive in time is 408', async t => {
  const { port } = await listening(t, answerAtOnce, {
    ...DEFAULT_HTTP_LIMITS,
    headersTimeoutMs: 100,
    requestTimeoutMs: 100,
    connectionsCheckingIntervalMs: 20,
  })
  const raw = await rawSocket(port)
  raw.socket.write('GET /x HTTP/1.1\r\nHost:')
  const answer = await raw.closed()
  t.match(answer, /^HTTP\/1\.1 408 /)
  t.match(answer, /"status":408/)
})

t.test('rubbish after an answer was begun is not answered into the middle of it', async t => {
  const { port } = await listening(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('begun')
  })
  const raw = await rawSocket(port)
  raw.socket.write(`POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`)
  await raw.until(/begun/)
  raw.socket.write('rubbish\r\n')
  const answer = await raw.closed()
  t.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
})

/** More than the systems on both sides take for a client that does not read. */
const LARGE = Buffer.alloc(48 * 1024 * 1024, 'x')

t.test('a client that does not read its answer is cut off, and its request counted', async t => {
  const metrics = new Metrics()
  const app = new Koa()
    .use(requestLog(pino({ level: 'silent' }), metrics))
    .use(ctx => {
      ctx.body = LARGE
    })
    // the answer that could not be finished
    .on('error', () => {})
  const { server, port } = await listening(t, app.callback(), {
    ...DEFAULT_HTTP_LIMITS,
    unreadTimeoutMs: 200,
  })
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  socket.write(GET)
  await once(socket, 'readable')
  await noneOpen(server)
  t.match(
    await metrics.registry.metrics(),
    /duration_seconds_count{method="GET",route="none",status="499"} 1/,
  )
})

t.test('a client that reads slowly but steadily gets all of a large answer', async t => {
  const unreadTimeoutMs = 1000
  const { port } = await listening(t, (_request, response) => response.end(LARGE), {
    ...DEFAULT_HTTP_LIMITS,
    unreadTimeoutMs,
  })
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  socket.write('GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const started = performance.now()
  let [bytes, rested] = [0, 0]
  for await (const chunk of socket) {
    bytes += chunk.length
    if (bytes - rested < LARGE.length / 24) continue
    rested = bytes
    await pause(unreadTimeoutMs / 10)
  }
  t.ok(bytes > LARGE.length, `${bytes} bytes`)
  t.ok(performance.now() - started > 2 * unreadTimeoutMs, 'it took longer than a client may rest')
})

t.test('a client that has read a large answer may let the next one wait', async t => {
  const unreadTimeoutMs = 200
  const asked: ServerResponse[] = []
  const { port } = await listening(
    t,
    (_request, response) => {
      asked.push(response)
      if (asked.length === 1) response.end(LARGE)
    },
    { ...DEFAULT_HTTP_LIMITS, unreadTimeoutMs },
  )
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  // the second one is already there when the first is read to its end
  socket.write(GET + GET)
  let bytes = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length
    if (bytes > LARGE.length) break
  }
  await pause(4 * unreadTimeoutMs)
  asked[1]?.end('done')
  let last = ''
  for await (const chunk of socket) {
    last = chunk.toString()
    if (last.endsWith('done')) break
  }
  t.match(last, /done$/)
})

t.test('a client that sends its body to the end finds the answer that was given before it', async t => {
  let asked: ServerResponse | undefined
  const { port } = await listening(t, (_request, response) => {
    asked = response
    response.end('done')
  })
  const raw = await rawSocket(port)
  const errors: Error[] = []
  raw.socket.on('error', error => errors.push(error))
  raw.socket.pause()
  // more than the system takes for a socket that nobody reads
  const [first, rest] = ['x'.repeat(10), 'x'.repeat(16 * 1024 * 1024)]
  raw.socket.write(
    `POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${10 + rest.length}\r\n\r\n${first}`,
  )
  while (asked?.closed !== true) await new Promise(resolve => setImmediate(resolve))
  const { req } = asked
  t.equal(req.complete, false)
  raw.socket.write(rest)
  if (!req.closed) await once(req, 'close', { signal: AbortSignal.timeout(10_000) })
  t.equal(req.complete, true)
  raw.socket.resume()
  t.match(await raw.closed(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*done$/)
  t.same(errors, [])
})

/** A client that has its last answer, and neither sends the rest of its request nor closes the connection. */
async function lingering(t: Test, port: number) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write('POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nx')
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) text += chunk
  t.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*done$/)
  return socket
}

t.test('a client that stops in its body holds up a drain for a moment only', async t => {
  const { server, port } = await listening(t, answerAtOnce)
  await lingering(t, port)
  t.equal(server.openConnections, 1)
  const started = performance.now()
  await server.drain(30_000)
  t.ok(performance.now() - started < 3000)
})

t.test('a client that stops in its body has its connection until the time-out of a request', async t => {
  const { server, port } = await listening(t, answerAtOnce, {
    ...DEFAULT_HTTP_LIMITS,
    headersTimeoutMs: 100,
    requestTimeoutMs: 100,
    connectionsCheckingIntervalMs: 20,
  })
  await lingering(t, port)
  await noneOpen(server)
})

t.test('a connection is closed when the rest of a body whose answer was the last has come', async t => {
  const { server, port } = await listening(t, answerAtOnce)
  const stopped = await lingering(t, port)
  stopped.write('x'.repeat(9))
  await noneOpen(server)
})

t.test('a request behind the last that is answered is given up where it has not come whole', async t => {
  const held = heldBack()
  const { server, port } = await listening(t, (request, response) => {
    if (request.method === 'GET') response.setHeader('Connection', 'close')
    held.handle(request, response)
  })
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`${GET}POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx`)
  await held.arrived(2)
  held.answerAll()
  await noneOpen(server)
})

t.test('a client that goes away in its body leaves nothing behind', async t => {
  const { server, port } = await listening(t, answerAtOnce)
  const leaving = await lingering(t, port)
  leaving.destroy()
  await noneOpen(server)
})

t.test('what comes behind a body whose answer was the last is not taken for a request', async t => {
  const asked: ServerResponse[] = []
  const { port } = await listening(t, (_request, response) => {
    asked.push(response)
    response.setHeader('Connection', 'close')
    response.end('done')
  })
  const raw = await rawSocket(port)
  raw.socket.write(`POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx`)
  while (asked[0]?.closed !== true) await new Promise(resolve => setImmediate(resolve))
  raw.socket.write(`${'x'.repeat(9)}${GET}`)
  t.equal((await raw.closed()).match(/HTTP\/1\.1/g)?.length, 1)
  t.equal(asked.length, 1)
})

t.test('rubbish in a body is not answered in the place of a request before it', async t => {
  const held = heldBack()
  const { port } = await listening(t, held.handle)
  const raw = await rawSocket(port)
  raw.socket.write(`${GET}POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nrubbish\r\n`)
  t.equal(await raw.closed(), '')
})

t.test(
  'of requests behind each other only some are under way, and all are answered in their order',
  async t => {
    const held = heldBack()
    const { port } = await listening(t, held.handle)
    const raw = await rawSocket(port)
    const count = 20_000
    for (let index = 0; index < count; index += 1) raw.socket.write(GET)
    // more than one read of 64 KiB is on its way
    await held.arrived(64)
    for (let turn = 0; turn < 200; turn += 1) await new Promise(resolve => setImmediate(resolve))
    const begun = held.count()
    t.ok(begun < 64 + (2 * 65_536) / GET.length, `${begun} of ${count} were begun`)
    held.answerFromNowOn()
    while ((raw.received().match(/HTTP\/1\.1 200/g)?.length ?? 0) < count) {
      await once(raw.socket, 'data', { signal: AbortSignal.timeout(10_000) })
    }
    raw.socket.destroy()
    t.equal(held.count(), count)
  },
)

t.test('rubbish behind a whole request is not answered in its place', async t => {
  const held = heldBack()
  const { port } = await listening(t, held.handle)
  const raw = await rawSocket(port)
  raw.socket.write(`${GET}rubbish\r\n\r\n`)
  t.equal(await raw.closed(), '')
})
