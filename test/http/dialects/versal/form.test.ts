import t from 'tap'
import { connectedTo } from '../../../support/scratch-database.ts'
import { exchange } from '../../raw-socket.ts'
import { DIALECTS, startService } from '../../service.ts'
import { NAMESPACE, wireOf } from './wire.ts'

/** How requests and answers may look, whatever is asked for. */

const service = await startService(t)
const wire = wireOf(service)
const key = await service.keyOf('alice', 'locker', NAMESPACE)

const BODY = JSON.stringify({ type: 'gadget', subject: { courseId: 'abcdef', gadgetId: 'g' } })

/** Sends a request as it is written, and reads the answer to it. */
async function send(
  head: readonly string[],
  body = '',
): Promise<{ status: number; head: string; body: string }> {
  const [request, ...fields] = head
  const answer = await exchange(
    service.port,
    [`${request} HTTP/1.1`, 'Host: x', 'Connection: close', `SID: ${key}`, ...fields, '', body].join('\r\n'),
  )
  const [headOfAnswer = '', bodyOfAnswer = ''] = answer.split('\r\n\r\n')
  return { status: Number(headOfAnswer.split(' ')[1]), head: headOfAnswer, body: bodyOfAnswer }
}

t.test('what browsers and old clients send along does not matter', async t => {
  const json = ['Content-Type: application/json;charset=UTF-8', `Content-Length: ${BODY.length}`]
  for (const more of [
    [],
    ['Accept: application/json, text/javascript, */*; q=0.01', 'X-Requested-With: XMLHttpRequest'],
    ['Cookie: $Version=1; sid=x; $Path=/; $Domain=x', 'Authorization: Bearer nonsense'],
    ['Accept: text/html', 'Origin: https://versal.com'],
  ]) {
    t.equal((await send(['POST /locks', ...json, ...more], BODY)).status, 201, more.join())
    t.equal((await send(['GET /locks?subject.courseId=abcdef', ...more])).status, 200)
    t.equal((await send(['POST /locks%20', ...json, ...more], BODY)).status, 201)
  }
  const noBody = ['Content-Type: application/json', 'Content-Length: 0']
  const listed = await send(['GET /api2/locks?_=123&subject.courseId=abcdef&page=2&perPage=1', ...noBody])
  t.equal(listed.status, 200)
  const { id } = JSON.parse(listed.body)[0]
  t.equal((await send([`DELETE /locks/${id}%20?_=123`, ...noBody])).status, 200)
  t.equal((await send(['GET /session%20%20', ...noBody])).status, 200)
  t.equal((await send(['POST /signout', ...noBody])).status, 401, 'read as far as the credentials')
})

t.test('the SID is found however its name is written, and two of them are none', async t => {
  const request = (fields: string) =>
    exchange(service.port, `GET /session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n\r\n`)
  for (const fields of [`sid: ${key}`, `Sid:${key}  `, `SID:\t${key}`]) {
    t.match(await request(fields), /^HTTP\/1\.1 200 /, fields)
  }
  t.match(await request(`SID: ${key}\r\nSID: ${key}`), /^HTTP\/1\.1 401 /)
})

t.test('whatever cannot be read is refused in the form of the API', async t => {
  const json = 'Content-Type: application/json'
  for (const [status, head, body] of [
    [400, ['POST /locks', 'Content-Length: 0'], ''],
    [400, ['POST /locks', json, 'Content-Length: 1'], '{'],
    [400, ['POST /locks', json, 'Content-Length: 28'], '{"type":"gadget","type":"x"}'],
    [400, ['GET /locks?subject.courseId=%00'], ''],
    [400, ['GET /locks?subject.courseId=%E0'], ''],
    [404, ['GET /locks/'], ''],
    [404, ['GET /locks/1/2'], ''],
    [404, ['GET /sessions/1'], ''],
    [404, ['GET /api2'], ''],
    [404, ['GET /api2/courses'], ''],
    [405, ['PUT /locks', json, 'Content-Length: 2'], '{}'],
    [405, ['GET /locks/1'], ''],
    [405, ['GET /api2/sessions'], ''],
    [405, ['DELETE /session'], ''],
    [413, ['POST /locks', json, `Content-Length: ${64 * 1024 + 1}`], 'x'.repeat(64 * 1024 + 1)],
    [413, ['POST /sessions', json, `Content-Length: ${64 * 1024 + 1}`], 'x'.repeat(64 * 1024 + 1)],
    [414, [`GET /locks?subject.courseId=${'x'.repeat(9000)}`], ''],
    [415, ['POST /locks', `Content-Length: ${BODY.length}`], BODY],
    [415, ['POST /locks', 'Content-Type: text/xml', `Content-Length: ${BODY.length}`], BODY],
    [415, ['POST /sessions', 'Content-Type: text/plain', 'Content-Length: 2'], '{}'],
  ] as const) {
    const answer = await send(head, body)
    t.equal(answer.status, status, head.join().slice(0, 60))
    t.match(answer.head, /^Content-Type: application\/json\r?$/im)
    const { error, message, ...more } = JSON.parse(answer.body)
    t.equal(error, status)
    t.ok(message.length > 0)
    t.same(more, {})
  }
})

t.test('HEAD and OPTIONS are understood', async t => {
  const head = await send(['HEAD /locks?subject.courseId=abcdef'])
  t.equal(head.status, 200)
  t.equal(head.body, '')
  const options = await send(['OPTIONS /api2/locks'])
  t.equal(options.status, 204)
  t.match(options.head, /^Allow: .*POST/m)
})

t.test('trouble of the database never looks like an answer', async t => {
  const slow = await startService(t, { stores: { statementTimeoutMs: 300, lockTimeoutMs: 200 } })
  const wire = wireOf(slow)
  const alice = await slow.keyOf('alice', 'locker', NAMESPACE)
  const sid = await wire.signIn('alice')
  const { json: held } = await wire.lock(alice, 'abcdef', 'g')
  const other = await connectedTo(t, slow.stores.url)
  await other.query('begin')
  await other.query('lock table leasehold.sessions, leasehold.locks in access exclusive mode')
  for (const { status, json, headers } of [
    await wire.lock(alice, 'abcdef', 'g'),
    await wire.locksOf(alice, 'abcdef'),
    await wire.unlock(alice, held.id),
    await wire.call(sid, 'GET', '/session'),
    await wire.call(sid, 'POST', '/signout'),
    await wire.call(alice, 'POST', '/sessions', { email: 'alice' }),
  ]) {
    t.equal(status, 504)
    t.match(json, { error: 504, message: /nothing was changed/ })
    t.equal(headers.get('retry-after'), '1')
  }
  await other.query('rollback')
  t.match((await wire.locksOf(alice, 'abcdef')).json, [{ id: held.id }])
})

t.test('a gadget that others are at work on is 503 and neither locked nor free', async t => {
  const other = await connectedTo(t, service.stores.url)
  await other.query('set search_path to leasehold')
  await other.query('begin')
  await other.query('select claim_resource($1, $2, $3)', [NAMESPACE, 'gadget', 'abcdef/claimed'])
  const { status, json, headers } = await wire.lock(key, 'abcdef', 'claimed')
  t.equal(status, 503)
  t.equal(json.error, 503)
  t.equal(headers.get('retry-after'), '1')
})

t.test('nothing of an answer is kept by anybody in between', async t => {
  const answer = await wire.locksOf(key, 'abcdef')
  t.equal(answer.headers.get('cache-control'), 'no-store')
})

t.test('where it is switched off its paths are like any other', async t => {
  const { versal: _, ...others } = DIALECTS
  for (const dialects of [{}, others]) {
    const plain = await startService(t, { dialects })
    for (const path of [
      '/locks?subject.courseId=abcdef',
      '/api2/locks',
      '/session',
      '/signout',
      '/sessions',
    ]) {
      const { status, headers } = await plain.call('GET', path, { headers: { sid: plain.keys.admin } })
      t.equal(status, 404)
      t.equal(headers.get('content-type'), 'application/problem+json')
    }
  }
})
