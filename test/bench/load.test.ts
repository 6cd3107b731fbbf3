import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { expectStatus, httpRequest, openHttp } from '../../bench/http-connection.ts'
import { ClosedLoops, type Recorder } from '../../bench/load.ts'
import { measureWindow } from '../../bench/measure.ts'

const NO_PROCESSES = { service: [], database: [] }
const QUICK = { warmupSeconds: 0.02, seconds: 0.1 }

/** A server that gives each whole request the answer that `answer` makes. */
async function server(
  t: { teardown(task: () => void): void },
  answer: (request: number, socket: Socket) => void,
): Promise<number> {
  let requests = 0
  const sockets = new Set<Socket>()
  const listening = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => {
      requests += 1
      answer(requests, socket)
    })
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listening.close()
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const address = listening.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function load(port: number, connections: number): Promise<ClosedLoops> {
  return ClosedLoops.start(connections, async (_index, recorder: Recorder) => {
    const connection = await openHttp(port)
    const asked = recorder.kind('ask')
    return {
      async work() {
        const started = performance.now()
        expectStatus(await connection.send(httpRequest('GET', '/', '')), 204, 'a question')
        asked(started)
      },
      close: () => connection.close(),
    }
  })
}

const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n'

t.test('every answered request of the window is counted, and none of the warm-up', async t => {
  let answered = 0
  const port = await server(t, (_, socket) => {
    answered += 1
    socket.write(NO_CONTENT)
  })
  const { kinds } = await measureWindow(
    await load(port, 3),
    NO_PROCESSES,
    QUICK,
    new AbortController().signal,
  )
  const count = kinds.ask?.count ?? 0
  t.ok(count > 0, `${count} counted`)
  t.ok(count < answered, `${answered} answered`)
  t.ok((kinds.ask?.p50Ms ?? 0) > 0)
})

t.test('an answer that arrives in pieces is one', async t => {
  const port = await server(t, (_, socket) => {
    socket.write(NO_CONTENT.slice(0, 10))
    setImmediate(() => socket.write(NO_CONTENT.slice(10)))
  })
  const { kinds } = await measureWindow(
    await load(port, 1),
    NO_PROCESSES,
    QUICK,
    new AbortController().signal,
  )
  t.ok((kinds.ask?.count ?? 0) > 0)
})

t.test('one answer with another status fails the measurement', async t => {
  const port = await server(t, (request, socket) => {
    socket.write(request === 5 ? 'HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nbad' : NO_CONTENT)
  })
  const measured = measureWindow(await load(port, 2), NO_PROCESSES, QUICK, new AbortController().signal)
  await t.rejects(measured, { message: 'a question was answered 503 instead of 204: bad' })
})

t.test('a connection that is closed fails the measurement', async t => {
  const port = await server(t, (request, socket) => {
    if (request === 5) socket.destroy()
    else socket.write(NO_CONTENT)
  })
  const measured = measureWindow(await load(port, 2), NO_PROCESSES, QUICK, new AbortController().signal)
  await t.rejects(measured, /closed|ECONNRESET/)
})

t.test('a measurement that is interrupted ends at once', async t => {
  const port = await server(t, (_, socket) => void socket.write(NO_CONTENT))
  const measured = measureWindow(
    await load(port, 1),
    NO_PROCESSES,
    { warmupSeconds: 0, seconds: 600 },
    AbortSignal.timeout(10),
  )
  await t.rejects(measured, { name: 'AbortError' })
})
