import t from 'tap'
import { exchange, rawSocket } from './raw-socket.ts'
import { LOCKS, startService, uniqueId } from './service.ts'

/**
 * Bytes that are no request, or that two programs could take for two. Each is sent with a whole request behind it: that
 * one is answered where it is certain where it begins, and else the connection is closed; what the first one has in it is
 * never taken for a request.
 */

const service = await startService(t)
const KEY = `Authorization: Bearer ${service.keys.alice}\r\n`
const HEAD = `Host: x\r\n${KEY}`
const JSON_TYPE = 'Content-Type: application/json\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const NEXT = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'

const held = await service.call('POST', LOCKS, {
  key: service.keys.alice,
  body: { resources: [{ type: 'held', id: '1' }], session: crypto.randomUUID(), ttl: 3600 },
})
const lockPath = `${LOCKS}/${held.json.locks[0].id}`
/** What must not be done. */
const HIDDEN = `DELETE ${lockPath} HTTP/1.1\r\n${HEAD}\r\n`

const get = (headers = '', target = LOCKS) => `GET ${target} HTTP/1.1\r\n${HEAD}${headers}\r\n`
const post = (headers: string, body: string) =>
  `POST ${LOCKS} HTTP/1.1\r\n${HEAD}${JSON_TYPE}${headers}\r\n${body}`
const acquire = () => JSON.stringify({ resources: [{ type: 'file', id: uniqueId() }] })
const chunks = (...parts: string[]) =>
  `${parts.map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
const chunk = (size: string, body = acquire()) => post(CHUNKED, `${size}\r\n${body}\r\n0\r\n\r\n${HIDDEN}`)

/** The statuses of all answers, and whether the request behind it was the last of them. */
type Expected = readonly [statuses: string, isNextAnswered: boolean]
const GOOD: Expected = ['200 200', true]
const CLOSED: Expected = ['400', false]
const REFUSED: Expected = ['400 200', true]
const SILENT: Expected = ['', false]

const FORMS: Readonly<Record<string, readonly [bytes: string, expected: Expected]>> = {
  'a whole request': [get(), GOOD],
  'a body in one piece': [post('Content-Length: 2\r\n', '{}'), REFUSED],
  'a body in chunks': [post(CHUNKED, chunks(acquire())), ['201 200', true]],
  'chunks with extensions': [
    post(CHUNKED, chunks(acquire()).replace('\r\n', ';a=b;c="d"\r\n')),
    ['201 200', true],
  ],
  'a trailer': [post(CHUNKED, `${chunks(acquire()).slice(0, -2)}X-Checksum: 1\r\n\r\n`), ['201 200', true]],
  'line breaks ahead of it': [`\r\n\r\n${get()}`, GOOD],
  'HTTP/1.0': [`GET ${LOCKS} HTTP/1.0\r\n${KEY}\r\n`, ['200', false]],
  'HTTP/1.0 that stays': [`GET ${LOCKS} HTTP/1.0\r\n${KEY}Connection: keep-alive\r\n\r\n`, GOOD],
  'a whole address': [get('', `http://else.example${LOCKS}`), GOOD],
  'a GET with a body': [get('Content-Length: 2\r\n').concat('{}'), GOOD],
  'a GET with chunks': [get(CHUNKED).concat(chunks('{}')), GOOD],
  '3,000 headers': [`GET ${LOCKS} HTTP/1.1\r\nHost: x\r\n${'a:\r\n'.repeat(3000)}${KEY}\r\n`, GOOD],
  'Expect: 100-continue': [
    post('Expect: 100-continue\r\nContent-Length: 2\r\n', '{}'),
    ['100 400 200', true],
  ],
  'Expect: 100-continue twice': [
    post('Expect: 100-continue\r\nexpect: 100-Continue\r\nContent-Length: 2\r\n', '{}'),
    ['100 400 200', true],
  ],
  'Expect: 100-continue and another': [
    post('Expect: 100-continue, the-best\r\nContent-Length: 2\r\n', '{}'),
    ['400', false],
  ],
  'a body that is not waited for, without a key': [
    `POST ${LOCKS} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
    ['401', false],
  ],
  'another expectation': [post('Expect: the-best\r\nContent-Length: 2\r\n', '{}'), REFUSED],
  'a method in a header': [
    `POST ${lockPath} HTTP/1.1\r\n${HEAD}X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n`,
    ['405 200', true],
  ],
  TRACE: [`TRACE ${LOCKS} HTTP/1.1\r\n${HEAD}\r\n`, ['405 200', true]],
  'OPTIONS of everything': [`OPTIONS * HTTP/1.1\r\n${HEAD}\r\n`, REFUSED],
  CONNECT: [`CONNECT x:1 HTTP/1.1\r\n${HEAD}\r\n`, SILENT],
  'an upgrade': [get('Connection: Upgrade\r\nUpgrade: h2c\r\n'), ['200', false]],
  'an upgrade with a body': [
    post('Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n', `{}${HIDDEN}`),
    ['400', false],
  ],
  'the end of a connection, and more': [get('Connection: close\r\n') + HIDDEN, ['200', false]],
  'HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', CLOSED],
  'HTTP/1.2': [get().replace('HTTP/1.1', 'HTTP/1.2'), CLOSED],
  'HTTP/0.9': [`GET ${LOCKS}\r\n\r\n`, CLOSED],
  TLS: ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', CLOSED],
  'a method in lower case': [get().replace('GET', 'get'), CLOSED],
  'tabs in the first line': [get().replaceAll('GET ', 'GET\t'), CLOSED],
  'no Host': [get().replace('Host: x\r\n', ''), REFUSED],
  'two Hosts': [get('Host: y\r\n'), REFUSED],
  'two keys': [get('Authorization: Bearer x\r\n'), REFUSED],
  'two media types': [post('Content-Type: text/plain\r\nContent-Length: 2\r\n', '{}'), REFUSED],
  'a fragment': [get('', `${LOCKS}#x`), REFUSED],
  'a user in the address': [get('', `http://me@x${LOCKS}`), REFUSED],
  'both lengths': [post(`Content-Length: 4\r\n${CHUNKED}`, `0\r\n\r\n${HIDDEN}`), CLOSED],
  'both lengths the other way': [post(`${CHUNKED}Content-Length: 4\r\n`, `0\r\n\r\n${HIDDEN}`), CLOSED],
  'two lengths': [post('Content-Length: 2\r\nContent-Length: 200\r\n', `{}${HIDDEN}`), CLOSED],
  'one length twice': [post('Content-Length: 2\r\nContent-Length: 2\r\n', '{}'), CLOSED],
  'a list of lengths': [post('Content-Length: 2, 2\r\n', '{}'), CLOSED],
  'a length with a sign': [post('Content-Length: +2\r\n', '{}'), CLOSED],
  'a negative length': [post('Content-Length: -2\r\n', '{}'), CLOSED],
  'a length in hexadecimal': [post('Content-Length: 0x2\r\n', '{}'), CLOSED],
  'an empty length': [post('Content-Length: \r\n', '{}'), CLOSED],
  'a length past 64 bits': [post('Content-Length: 99999999999999999999\r\n', '{}'), CLOSED],
  'a space ahead of a colon': [post('Content-Length : 2\r\n', '{}'), CLOSED],
  'another coding': [post('Transfer-Encoding: gzip\r\n', '{}'), CLOSED],
  'another coding around chunks': [post('Transfer-Encoding: gzip, chunked\r\n', chunks(acquire())), REFUSED],
  'another coding in chunks': [post('Transfer-Encoding: chunked, gzip\r\n', chunks(HIDDEN)), CLOSED],
  'chunks of chunks': [post('Transfer-Encoding: chunked, chunked\r\n', chunks(HIDDEN)), CLOSED],
  'chunked twice': [post(CHUNKED + CHUNKED, chunks(HIDDEN)), CLOSED],
  'nearly chunked': [post('Transfer-Encoding: xchunked\r\n', chunks(HIDDEN)), CLOSED],
  'chunked behind a control character': [post('Transfer-Encoding: \x0bchunked\r\n', chunks(HIDDEN)), CLOSED],
  'chunks in HTTP/1.0': [post(CHUNKED, chunks(acquire())).replace('HTTP/1.1', 'HTTP/1.0'), CLOSED],
  'a negative chunk': [chunk('-25'), CLOSED],
  'a chunk in 0x': [chunk('0x25'), CLOSED],
  'a chunk past 64 bits': [chunk(`1${'0'.repeat(16)}`), CLOSED],
  'a chunk with a space': [chunk('25 '), CLOSED],
  'a chunk that is longer than it says': [chunk('20'), CLOSED],
  'a chunk that is shorter than it says': [chunk('26'), CLOSED],
  'a chunk that ends in a line feed alone': [post(CHUNKED, `25\n${acquire()}\r\n0\r\n\r\n`), CLOSED],
  'an extension that ends in a line feed': [post(CHUNKED, `25;a\n${acquire()}\r\n0\r\n\r\n`), CLOSED],
  'an extension of 20,000 bytes': [post(CHUNKED, `25;${'a'.repeat(20_000)}\r\n`), CLOSED],
  'a trailer that is a length': [
    post(CHUNKED, `${chunks(acquire()).slice(0, -2)}Content-Length: 5\r\n\r\n`),
    CLOSED,
  ],
  'a trailer of 40,000 bytes': [
    post(CHUNKED, `${chunks(acquire()).slice(0, -2)}X: ${'x'.repeat(40_000)}\r\n\r\n`),
    ['431', false],
  ],
  'a head of 20,000 bytes': [get(`X: ${'x'.repeat(20_000)}\r\n`), ['431', false]],
  'line feeds alone': [get().replaceAll('\r\n', '\n'), CLOSED],
  'one line feed alone': [get('X: a\n'), CLOSED],
  'a carriage return alone': [get('X: a\rY: b\r\n'), CLOSED],
  'a folded header': [get('X: a\r\n b\r\n'), CLOSED],
  'NUL in a value': [get('X: a\0b\r\n'), CLOSED],
  'NUL in a name': [get('X\0: a\r\n'), CLOSED],
  'NUL in the target': [get('', `${LOCKS}\0`), CLOSED],
  'a space in a name': [get('X Y: a\r\n'), CLOSED],
  'a space ahead of the first name': [get().replace('Host', ' Host'), CLOSED],
  'an empty name': [get(': a\r\n'), CLOSED],
  'a header without a colon': [get('nonsense\r\n'), CLOSED],
}

const everything = () =>
  service.stores.sql(
    `select (select jsonb_agg(l order by id) from locks l where resource_type = 'held') as locks,
       (select count(*) from locks) as count, (select count(*) from api_keys) as keys`,
  )

for (const [what, [bytes, [statuses, isNextAnswered]]] of Object.entries(FORMS)) {
  t.test(`${what}: ${statuses === '' ? 'closed' : statuses}`, async t => {
    const [before] = await everything()
    const answer = await exchange(service.port, Buffer.from(bytes + NEXT, 'latin1'))
    const seen = [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(match => match[1])
    t.equal(seen.join(' '), statuses)
    t.equal(answer.endsWith('{"status":"live"}'), isNextAnswered)
    const [after] = await everything()
    t.same(after?.locks, before?.locks, 'what is held is held')
    if (!seen.includes('201')) t.same(after, before)
  })
}

t.test('a name with signs that parsers of addresses alter is one name in both forms of a target', async t => {
  const name = 'a\\b{c}|d^e'
  const body = { resources: [{ type: 'signs', id: name }] }
  await service.call('POST', LOCKS, { key: service.keys.alice, body })
  const path = `${LOCKS.replace('/locks', '')}/resources/signs/${name}/lock`
  for (const target of [path, `http://x${path}`]) {
    const answer = await exchange(service.port, get('Connection: close\r\n', target))
    t.match(answer, /^HTTP\/1\.1 200 /, target)
  }
})

t.test('a HEAD that cannot be read is refused without a body', async t => {
  const bytes = Buffer.from('HEAD /\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n', 'latin1')
  t.match(
    await exchange(service.port, bytes),
    /^HTTP\/1\.1 400 [\s\S]*\r\nContent-Length: [1-9][\s\S]*\r\n\r\n$/,
  )
})

t.test('a request that comes byte by byte is one request', async t => {
  const raw = await rawSocket(service.port)
  raw.socket.setNoDelay(true)
  for (const byte of post(`Connection: close\r\n${CHUNKED}`, chunks('{"resources":', '[]}'))) {
    raw.socket.write(byte)
    await new Promise(resolve => setImmediate(resolve))
  }
  const answer = await raw.closed()
  t.equal(answer.match(/HTTP\/1\.1 \d{3} /g)?.length, 1)
  t.match(answer, /"field":"resources"/)
})

t.test('requests behind each other are answered in their order', async t => {
  const ids = Array.from({ length: 500 }, uniqueId)
  const requests = ids.map(id => {
    const body = JSON.stringify({ resources: [{ type: 'piped', id }] })
    return post(`Content-Length: ${body.length}\r\n`, body)
  })
  const answer = await exchange(service.port, requests.join('') + NEXT)
  const answered = [...answer.matchAll(/"resource":\{"type":"piped","id":"(\w+)"\}/g)].map(match => match[1])
  t.same(answered, ids)
  t.ok(answer.endsWith('{"status":"live"}'))
})

t.test('the body behind an upgrade that is cut in two is not taken for a request', async t => {
  const raw = await rawSocket(service.port)
  const body = 'x'.repeat(100)
  raw.socket.write(
    `${get('Connection: Upgrade\r\nUpgrade: h2c\r\n')}${post(`Content-Length: ${100 + HIDDEN.length}\r\n`, body)}`,
  )
  raw.socket.write(HIDDEN)
  const answer = await raw.closed()
  t.equal(answer.match(/HTTP\/1\.1 \d{3} /g)?.length, 1)
  t.equal((await service.call('GET', lockPath, { key: service.keys.alice })).status, 200)
})

t.test('none of them was a fault of the service', async t => {
  t.same(
    service.log.filter(({ status, level }) => Number(status) >= 500 || Number(level) >= 50),
    [],
  )
})
