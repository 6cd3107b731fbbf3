import t from 'tap'
import { connectedTo } from '../../../support/scratch-database.ts'
import { exchange } from '../../raw-socket.ts'
import { type Service, startService } from '../../service.ts'
import { basic, locksAt, PolarisClient, SIGN_IN } from './client.ts'

/** Sends a head as it is given, and answers status and body. */
async function send(
  service: Service,
  line: string,
  headers: readonly string[],
  body = '',
): Promise<{ readonly status: number; readonly body: string; readonly head: string }> {
  const head = [`${line} HTTP/1.1`, 'Host: polaris.example.org', 'Connection: close', ...headers]
  const answer = await exchange(service.port, `${head.join('\r\n')}\r\n\r\n${body}`)
  const end = answer.indexOf('\r\n\r\n')
  return { status: Number(answer.slice(9, 12)), head: answer.slice(0, end), body: answer.slice(end + 4) }
}

t.test('what clients were seen to send', async t => {
  const service = await startService(t)
  const client = new PolarisClient(service)
  const alice = await client.workstation('alice', 15)
  const signed = [`Authorization: ${alice.authorization}`]
  const { authorization: login } = basic('LIBRARY\\alice', await client.keyOf('alice'))

  await t.test('a body of length 0 with a type', async t => {
    const empty = ['Content-Type: application/json', 'Content-Length: 0']
    const signIn = await send(service, `POST ${SIGN_IN}`, [`Authorization: ${login}`, ...empty])
    t.equal(signIn.status, 200)
    t.equal((await send(service, `DELETE ${locksAt(15)}/27/1`, [...signed, ...empty])).status, 200)
    t.equal((await send(service, `DELETE ${locksAt(15)}`, [...signed, ...empty])).status, 200)
    const locked = await send(service, `POST ${locksAt(15)}`, [...signed, ...empty])
    t.equal(locked.status, 400)
    t.match(JSON.parse(locked.body), { ErrorCode: 400, MessageDetail: String })
    const xml = ['Content-Type: application/xml', 'Content-Length: 0']
    t.equal((await send(service, `DELETE ${locksAt(15)}`, [...signed, ...xml])).status, 200)
  })

  await t.test('a sign-in without Content-Length', async t => {
    t.equal((await send(service, `POST ${SIGN_IN}`, [`Authorization: ${login}`])).status, 200)
  })

  await t.test('cookies with attributes', async t => {
    const cookie = 'Cookie: $Version=1; LeapWebApp="x"; $Path="/"; $Domain=.example.org'
    t.equal((await send(service, `GET ${locksAt(15)}`, [...signed, cookie])).status, 200)
    t.equal((await send(service, `GET ${locksAt(15)}`, [cookie])).status, 401, 'a cookie is no sign-in')
  })

  await t.test(
    'no Accept, an Accept for something else, a query of no meaning, a GET with a type',
    async t => {
      for (const headers of [
        [],
        ['Accept: */*'],
        ['Accept: application/xml'],
        ['Accept-Language: en-US'],
        ['Content-Type: application/json'],
        ['Content-Type: application/xml'],
      ]) {
        const answer = await send(service, `GET ${locksAt(15)}?_=1700000000000`, [...signed, ...headers])
        t.equal(answer.status, 200, headers.join())
        t.match(answer.head, /^content-type: application\/json\r?$/im)
        t.equal(answer.body, '[]')
      }
    },
  )

  await t.test('a space at the end of the path', async t => {
    t.equal((await alice.lock(27, 5)).status, 200)
    t.equal((await send(service, `GET ${locksAt(15)}/27/5%20`, signed)).status, 200)
    t.equal((await send(service, `GET ${locksAt(15)}%20`, signed)).status, 200)
  })

  await t.test('a chunked body', async t => {
    const headers = [...signed, 'Content-Type: application/json; charset=utf-8', 'Transfer-Encoding: chunked']
    const text = '{"ObjectTypeID":27,"ObjectID":6}'
    const body = `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`
    t.equal((await send(service, `POST ${locksAt(15)}`, headers, body)).status, 200)
  })

  await t.test('a body of bytes that are no UTF-8, or a name twice', async t => {
    for (const text of [
      Buffer.from('7b22ff223a317d', 'hex').toString('latin1'),
      '{"ObjectTypeID":1,"ObjectID":1,"ObjectID":2}',
    ]) {
      const answer = await fetch(service.url + locksAt(15), {
        method: 'POST',
        headers: { authorization: alice.authorization, 'content-type': 'application/json' },
        body: Buffer.from(text, 'latin1'),
      })
      t.equal(answer.status, 400)
      t.match(await answer.json(), { ErrorCode: 400, Data: null })
    }
  })

  await t.test('a released lock is answered without a body', async t => {
    const answer = await send(service, `DELETE ${locksAt(15)}/27/5`, signed)
    t.equal(answer.status, 200)
    t.match(answer.head, /^content-length: 0\r?$/im)
    t.notMatch(answer.head, /^content-type:/im)
  })

  await t.test('a malformed path', async t => {
    const answer = await send(service, `GET ${locksAt(15)}/27/%zz`, signed)
    t.equal(answer.status, 400)
    t.match(JSON.parse(answer.body), { ErrorCode: 400, InnerException: null })
  })
})

t.test('trouble of the database is never an answer about a lock', async t => {
  const service = await startService(t, { stores: { statementTimeoutMs: 400 } })
  const client = new PolarisClient(service)
  const alice = await client.workstation('alice', 15)
  await alice.lock(27, 1)
  const other = await connectedTo(t, service.stores.url)
  await other.query('set search_path to leasehold')

  await t.test('an object that others are at work on is 503, and to be tried again', async t => {
    await other.query('begin')
    await other.query('select claim_resource($1, $2, $3)', ['polaris', '27', '2'])
    const answer = await service.call('POST', locksAt(15), {
      headers: { authorization: alice.authorization },
      body: { ObjectTypeID: 27, ObjectID: 2 },
    })
    t.match(answer, { status: 503, json: { ErrorCode: 503, StackTrace: null, Data: null } })
    t.equal(answer.headers.get('retry-after'), '1')
    await other.query('rollback')
  })

  await t.test('a database that is too slow is 504', async t => {
    await other.query('begin')
    await other.query('lock table sessions, locks in access exclusive mode')
    for (const [method, path, body] of [
      ['POST', '', { ObjectTypeID: 27, ObjectID: 1 }],
      ['GET', ''],
      ['GET', '/27/1'],
      ['DELETE', '/27/1'],
      ['DELETE', ''],
    ] as const) {
      const answer = await service.call(method, locksAt(15) + path, {
        headers: { authorization: alice.authorization },
        body,
      })
      t.match(answer, { status: 504, json: { ErrorCode: 504, Data: null } }, `${method} ${path}`)
    }
    const headers = basic('alice', await client.keyOf('alice'))
    t.match(await service.call('POST', SIGN_IN, { headers }), { status: 504, json: { ErrorCode: 504 } })
    await other.query('rollback')
    t.equal((await alice.lock(27, 1)).json.ExistingLock, true)
  })
})

t.test('switched off, its paths are like any other that is not there', async t => {
  const service = await startService(t, { dialects: {} })
  for (const path of ['/Polaris.ApplicationServices/api', SIGN_IN, locksAt(15)]) {
    const answer = await service.call('POST', path)
    t.equal(answer.status, 404)
    t.equal(answer.headers.get('content-type'), 'application/problem+json')
    t.equal(answer.json.code, 'not_found')
  }
})
