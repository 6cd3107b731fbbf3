import t from 'tap'
import { exchange } from '../../raw-socket.ts'
import { startBridge, UUID } from './bridge.ts'

/** What clients of such APIs put on the wire besides what the vendor's page asks for. */

const service = await startBridge(t)
const { alice, bob } = service.bridgeKeys

let lastId = 0
const nextPath = () => {
  lastId += 1
  return `/api/author/course_templates/${lastId}/lock`
}

/** Sends a request as it is written, and gives status, head and body of the answer. */
async function send(line: string, headers: readonly string[] = [], body = '') {
  const bytes = [`${line} HTTP/1.1`, 'Host: bridge', `Authorization: Bearer ${alice}`, ...headers]
  const answer = await exchange(service.port, [...bytes, 'Connection: close', '', body].join('\r\n'))
  const [head = '', text = ''] = answer.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, text }
}

async function lockIdAt(path: string): Promise<string> {
  const { json, text } = await service.ask('POST', path, { key: alice })
  if (!UUID.test(json.lock?.id)) throw new Error(text)
  return json.lock.id
}

t.test('a call is the same with an empty body of any type', async t => {
  for (const type of [
    'application/json',
    'application/xml',
    'application/x-www-form-urlencoded',
    'nonsense',
  ]) {
    const path = nextPath()
    const headers = [`Content-Type: ${type}`, 'Content-Length: 0']
    const { status, text } = await send(`POST ${path}`, headers)
    t.equal(status, 200, type)
    const lockId = `X-Lock-Id: ${JSON.parse(text).lock.id}`
    t.equal((await send(`GET ${path}`, headers)).status, 200)
    t.equal((await send(`PUT ${path}`, [...headers, lockId])).status, 204)
    t.equal((await send(`DELETE ${path}`, [...headers, lockId])).status, 204)
  }
})

t.test('a body is not looked at: nothing in it can say who the holder is', async t => {
  const path = nextPath()
  const json = '{"lock":{"holder_id":"1","expires_in":1,"id":"no-uuid"}}'
  const { status, text } = await send(
    `POST ${path}`,
    ['Content-Type: application/json', `Content-Length: ${json.length}`],
    json,
  )
  t.equal(status, 200)
  const number = await service.services.users.numberOf('alice')
  t.match(JSON.parse(text), { lock: { holder_id: `${number}`, id: UUID } })
  t.match((await service.ask('GET', path, { key: bob })).json, { lock: { expires_in: 900 } })
  for (const wrong of ['{', '<lock/>', 'null']) {
    const answer = await send(`POST ${path}`, [`Content-Length: ${wrong.length}`], wrong)
    t.equal(answer.status, 200, wrong)
  }
})

t.test('a body that was not looked at is not taken for the next request', async t => {
  const path = nextPath()
  const first = `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice}\r\nContent-Length: 4\r\n\r\nGET `
  const second = `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bob}\r\nConnection: close\r\n\r\n`
  const answer = await exchange(service.port, first + second)
  t.same(
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(match => match[1]),
    ['200', '200'],
  )
  t.match(answer, /"expires_in":\d+/)
})

t.test('GET may name a type, and nothing has to be accepted', async t => {
  const path = nextPath()
  await lockIdAt(path)
  for (const headers of [
    [],
    ['Content-Type: application/json'],
    ['Accept: application/json'],
    ['Accept: */*'],
    ['Accept: text/html'],
    ['Accept: application/xml'],
  ]) {
    const { status, head, text } = await send(`GET ${path}`, headers)
    t.equal(status, 200, headers.join())
    t.match(head, /^content-type: application\/json/im)
    t.match(head, /^cache-control: no-store/im)
    t.equal(JSON.parse(text).lock.lockable_type, 'CourseTemplate')
  }
})

t.test('unknown parameters, cookies and headers are passed over', async t => {
  const path = nextPath()
  const cookie = 'Cookie: $Version="1"; session="x"; $Path="/"; $Domain=".example.com"'
  const { status, text } = await send(`POST ${path}?_=123&id=7&id=8&`, [
    cookie,
    'X-Requested-With: XMLHttpRequest',
  ])
  t.equal(status, 200)
  const { id, lockable_id: lockableId } = JSON.parse(text).lock
  t.equal(lockableId, lastId, 'the id is the one in the path')
  t.equal((await send(`PUT ${path}?_=124`, [cookie, `x-lock-id:  ${id} `])).status, 204)
  t.equal((await send(`GET ${path}?_=125`, [cookie])).status, 200)
})

t.test('spaces at the end of a path are passed over', async t => {
  const path = nextPath()
  const lockId = await lockIdAt(path)
  t.equal((await send(`GET ${path}%20`)).status, 200)
  t.equal((await send(`PUT ${path}%20%20`, [`X-Lock-Id: ${lockId}`])).status, 204)
})

t.test('no other spelling of a path is the same lock', async t => {
  const path = nextPath()
  await lockIdAt(path)
  for (const other of [
    path.replace('/lock', '/lock/'),
    path.replace('/lock', '/LOCK'),
    path.replace('author', 'Author'),
    path.replace('/lock', '.json/lock'),
    path.replace('/lock', '/lock.json'),
    path.replace('/course_templates', '//course_templates'),
    path.replace(/(\d+)/, '0$1'),
  ]) {
    t.equal((await send(`GET ${other}`)).status, 404, other)
    t.not((await send(`POST ${other}`)).status, 200, other)
  }
  const escaped = path.replace(/\d+/, digits => digits.replaceAll(/\d/g, digit => `%3${digit}`))
  t.equal((await send(`GET ${escaped}`)).status, 200, 'an escaped digit is that digit')
})

t.test('two X-Lock-Id are 422', async t => {
  const path = nextPath()
  const lockId = await lockIdAt(path)
  const line = `X-Lock-Id: ${lockId}`
  t.equal((await send(`PUT ${path}`, [line, line])).status, 422)
  t.equal((await send(`PUT ${path}`, [line])).status, 204)
})

t.test('HEAD answers as GET does, without the body', async t => {
  const path = nextPath()
  t.equal((await service.ask('HEAD', path, { key: bob })).status, 404)
  await lockIdAt(path)
  t.equal((await service.ask('HEAD', path, { key: bob })).status, 200)
})

t.test('errors below its prefix are in its form, whatever they are about', async t => {
  for (const [line, expected] of [
    ['GET /api/author', 404],
    ['GET /api/author/nothing', 404],
    ['POST /api/author/course_templates', 404],
    ['GET /api/author/courses/1/lock', 404],
    [`PATCH ${nextPath()}`, 405],
    ['GET /api/author/course_templates/%zz/lock', 422],
    ['GET /api/author/course_templates/%ff/lock', 422],
    ['GET /api/author/course_templates/%00/lock', 422],
    [`GET /api/author/course_templates/${'1'.repeat(9000)}/lock`, 414],
  ] as const) {
    const { status, head, text } = await send(line)
    t.equal(status, expected, line)
    t.match(head, /^content-type: application\/json\r/im)
    t.match(JSON.parse(text), { errors: [{ message: String }] })
    if (expected === 405) t.match(head, /^allow: (?=.*GET)(?=.*POST)(?=.*PUT)(?=.*DELETE)/im)
  }
  t.match((await send('GET /api/authors')).head, /problem\+json/, 'and those beside it are not')
})
