import { gzipSync } from 'node:zlib'
import t from 'tap'
import { exchange, rawSocket } from './raw-socket.ts'
import { LOCKS, startService, uniqueId } from './service.ts'

const service = await startService(t)
const { alice } = service.keys
const RESOURCES = { resources: [{ type: 'file', id: 'body' }] }

const head = (lines: readonly string[], path = '/v1/sessions') =>
  [`POST ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${alice}`, ...lines, '', ''].join('\r\n')
const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])

t.test('a body of another media type is 415 and says which are taken', async t => {
  for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'nonsense']) {
    const { status, json } = await service.call('POST', LOCKS, {
      key: alice,
      body: RESOURCES,
      headers: { 'content-type': type },
    })
    t.equal(status, 415, type)
    t.equal(json.code, 'unsupported_media_type')
    t.match(json.errors, [{ field: 'header Content-Type', message: /application\/json/ }])
  }
})

t.test('a body without a media type is 415', async t => {
  const answer = await exchange(service.port, `${head(['Connection: close', 'Content-Length: 2'])}{}`)
  t.equal(statusOf(answer), 415)
})

t.test('another charset and a compressed body are 415', async t => {
  const latin = await service.call('POST', LOCKS, {
    key: alice,
    body: RESOURCES,
    headers: { 'content-type': 'application/json; charset=iso-8859-1' },
  })
  t.equal(latin.status, 415)
  const zipped = await fetch(service.url + LOCKS, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${alice}`,
      'content-type': 'application/json',
      'content-encoding': 'gzip',
    },
    body: gzipSync(JSON.stringify(RESOURCES)),
  })
  t.equal(zipped.status, 415)
  t.match(await zipped.json(), { errors: [{ field: 'header Content-Encoding' }] })
})

t.test('UTF-8 may be named, and identity as an encoding', async t => {
  const { status } = await service.call('POST', '/v1/sessions', {
    key: alice,
    body: {},
    headers: { 'content-type': 'Application/JSON; charset="UTF-8"', 'content-encoding': 'identity' },
  })
  t.equal(status, 201)
})

t.test('an empty body is 400, whatever its media type', async t => {
  for (const headers of [{}, { 'content-type': 'application/json' }, { 'content-type': 'text/plain' }]) {
    const { status, json } = await service.call('POST', LOCKS, { key: alice, headers })
    t.equal(status, 400)
    t.match(json.errors, [{ field: 'body', message: 'is empty; a JSON object is needed' }])
  }
  const chunked = await exchange(
    service.port,
    `${head(['Connection: close', 'Content-Type: text/plain', 'Transfer-Encoding: chunked'])}0\r\n\r\n`,
  )
  t.equal(statusOf(chunked), 400)
})

t.test('a chunked body is read, and its media type checked', async t => {
  const chunks = '2\r\n{}\r\n0\r\n\r\n'
  const lines = ['Connection: close', 'Transfer-Encoding: chunked']
  t.equal(
    statusOf(await exchange(service.port, head([...lines, 'Content-Type: application/json']) + chunks)),
    201,
  )
  t.equal(statusOf(await exchange(service.port, head([...lines, 'Content-Type: text/plain']) + chunks)), 415)
})

t.test('a body that is announced too large is 413 before it is sent', async t => {
  const raw = await rawSocket(service.port)
  raw.socket.write(head(['Content-Type: application/json', `Content-Length: ${256 * 1024 + 1}`]))
  t.equal(statusOf(await raw.until(/payload_too_large/)), 413)
  raw.socket.destroy()
})

t.test('a body that turns out too large is 413, and the connection goes on', async t => {
  const raw = await rawSocket(service.port)
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  raw.socket.write(head(['Content-Type: application/json', 'Transfer-Encoding: chunked']))
  for (let count = 0; count < 8; count += 1) raw.socket.write(chunk)
  t.equal(statusOf(await raw.until(/payload_too_large/)), 413)
  raw.socket.write(`0\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n`)
  await raw.until(/"status":"live"/)
  raw.socket.destroy()
})

t.test('fetch sees the 413 of a body of several megabytes', async t => {
  const { status, json } = await service.call('POST', LOCKS, {
    key: alice,
    body: { resources: 'x'.repeat(4_000_000) },
  })
  t.equal(status, 413)
  t.equal(json.code, 'payload_too_large')
})

t.test('a body of several megabytes is 413 as well where the connection is to be closed', async t => {
  for (const length of [16_000_000, undefined]) {
    const lines = ['Connection: close', 'Content-Type: application/json']
    const body = 'x'.repeat(16_000_000)
    const answer = await exchange(
      service.port,
      length === undefined
        ? `${head([...lines, 'Transfer-Encoding: chunked'])}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
        : `${head([...lines, `Content-Length: ${length}`])}${body}`,
    )
    t.equal(statusOf(answer), 413)
    t.match(answer, /"code":"payload_too_large".*\}$/)
  }
})

t.test('a body of exactly the limit is read', async t => {
  const frame = JSON.stringify({ client: '' }).length
  const { status, json } = await service.call('POST', '/v1/sessions', {
    key: alice,
    body: { client: 'x'.repeat(256 * 1024 - frame) },
  })
  t.equal(status, 400)
  t.match(json.errors, [{ field: 'client', message: /at most 255 bytes/ }])
})

t.test('a body that is cut short changes nothing and is told so', async t => {
  const id = uniqueId()
  const body = JSON.stringify({ resources: [{ type: 'file', id }] })
  const raw = await rawSocket(service.port)
  raw.socket.write(
    head(['Content-Type: application/json', `Content-Length: ${body.length + 10}`], LOCKS) + body,
  )
  raw.socket.end()
  const answer = await raw.closed()
  t.equal(statusOf(answer), 400)
  t.match(answer, /"code":"invalid_request"/)
  const { json } = await service.call('GET', `${LOCKS}?id=${id}`, { key: alice })
  t.same(json.locks, [])
})

t.test('the body of a GET or DELETE is read and ignored', async () => {
  const raw = await rawSocket(service.port)
  const common = `Host: x\r\nAuthorization: Bearer ${alice}\r\nContent-Type: text/plain\r\n`
  raw.socket.write(`GET /v1/sessions HTTP/1.1\r\n${common}Content-Length: 9\r\n\r\nnot JSON!`)
  await raw.until(/"sessions"/)
  raw.socket.write(`DELETE ${LOCKS}/999999 HTTP/1.1\r\n${common}Content-Length: 9\r\n\r\nnot JSON!`)
  await raw.until(/lock_not_found/)
  raw.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  await raw.until(/"status":"live"/)
  raw.socket.destroy()
})
