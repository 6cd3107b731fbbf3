import t from 'tap'
import { expire } from '../../../support/database.ts'
import { startService } from '../../service.ts'
import { send } from './bimplus-client.ts'

const service = await startService(t)
const { alice } = service.keys
const APPLICATION = '5F43560D-9B0C-4F3C-85CB-B5721D098F7B'
const sent = { user_id: 'alice', password: alice, application_id: APPLICATION }

const authorize = (body: unknown) => send(service, 'POST', '/v2/authorize', { body })
const check = (authorization?: string) =>
  send(service, 'GET', '/v2/authorize', {
    ...(authorization !== undefined && { headers: { authorization } }),
  })

t.test('user and key are exchanged for a token of two hours', async t => {
  const { status, json, headers } = await authorize(sent)
  t.equal(status, 200)
  t.match(json.access_token, /^[0-9a-f]{32}$/)
  t.same(json, {
    access_token: json.access_token,
    expires_in: 7200,
    client_id: null,
    token_type: 'BimPlus',
  })
  t.equal(headers.get('cache-control'), 'no-store')
  const state = await check(`BimPlus ${json.access_token}`)
  t.equal(state.status, 200)
  t.equal(state.json.token_type, 'BimPlus')
  t.ok(state.json.expires_in > 7100 && state.json.expires_in <= 7200)
  const [stored] = await service.stores.sql<{ here: string }>(
    `select count(*) as here from sessions s where s::text like '%' || $1 || '%'`,
    [json.access_token],
  )
  t.equal(stored?.here, '0', 'the token itself is stored nowhere')
})

t.test('whoever wants to be remembered gets four weeks', async t => {
  t.equal((await authorize({ ...sent, remember_me: true })).json.expires_in, 28 * 24 * 3600)
  for (const remember_me of [false, null]) {
    t.equal((await authorize({ ...sent, remember_me })).json.expires_in, 7200)
  }
})

t.test('the program may name itself, and is the client of the session', async t => {
  const client_id = '9d2ab3a0-9d0a-4c6b-8d52-0c6b0e0f7d11'
  const { json } = await authorize({ ...sent, client_id })
  t.equal(json.client_id, client_id)
  t.equal((await check(`BimPlus ${json.access_token}`)).json.client_id, client_id)
  t.equal((await authorize({ ...sent, client_id: '' })).json.client_id, null)
  t.equal((await authorize({ ...sent, client_id: 'x'.repeat(256) })).status, 400)
})

t.test('an application need not be known, nor named, and other members are ignored', async t => {
  t.equal((await authorize({ user_id: 'alice', password: alice })).status, 200)
  t.equal((await authorize({ ...sent, application_id: 'any', language: 'de' })).status, 200)
})

t.test('a wrong key, and the key of another user, are 401', async t => {
  for (const body of [
    { ...sent, password: 'wrong' },
    { ...sent, user_id: 'bob' },
    { ...sent, user_id: 'nobody' },
  ]) {
    const { status, json, headers } = await authorize(body)
    t.equal(status, 401)
    t.equal(headers.get('www-authenticate'), 'BimPlus realm="leasehold"')
    t.match(json, { message: /user_id and password/ })
    t.same(Object.keys(json), ['message'])
  }
})

t.test('a body that is none is 400, of another type 415, and too large 413', async t => {
  for (const body of [{}, [], 'text', { ...sent, password: 7 }, { ...sent, user_id: '' }]) {
    const { status, json } = await authorize(body)
    t.equal(status, 400)
    t.type(json.message, 'string')
  }
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' }, lines: 'user_id=alice' }
  t.equal((await send(service, 'POST', '/v2/authorize', form)).status, 415)
  t.equal((await send(service, 'POST', '/v2/authorize')).status, 400, 'no body')
  t.equal((await authorize({ ...sent, more: 'x'.repeat(70_000) })).status, 413)
})

t.test('without a token that is good, 401', async t => {
  const { json } = await authorize(sent)
  for (const authorization of [
    undefined,
    'BimPlus',
    'BimPlus 9c1874a62c974dcfa75e0132c423a088',
    `Bearer ${json.access_token}`,
    `BimPlus ${json.access_token} x`,
    `BimPlus ${alice}`,
    `Bearer ${alice}`,
  ]) {
    const { status, json, headers } = await check(authorization)
    t.equal(status, 401, String(authorization))
    t.equal(headers.get('www-authenticate'), 'BimPlus realm="leasehold"')
    t.match(json, { message: /access_token/ })
  }
  t.equal((await check(`bimplus   ${json.access_token}`)).status, 200, 'schemes are the same in any case')
})

t.test('using a token does not prolong it, and the end of its time is its end', async t => {
  const { json } = await authorize(sent)
  const authorization = `BimPlus ${json.access_token}`
  const ends = () =>
    service.stores.sql(`select expires_at from sessions where secret_hash is not null order by id`)
  const before = await ends()
  t.equal((await check(authorization)).status, 200)
  t.same(await ends(), before)
  await expire(service.stores)
  t.equal((await check(authorization)).status, 401)
})

t.test('a token ends with its key', async t => {
  const password = await service.keyOf('carol', 'locker')
  const { json } = await authorize({ user_id: 'carol', password })
  await service.stores.sql(
    `update api_keys set revoked_at = now() where user_id = (select id from users where name = 'carol')`,
  )
  t.equal((await check(`BimPlus ${json.access_token}`)).status, 401)
})

t.test('a page of any origin may call, and reads errors too', async t => {
  for (const path of ['/v2/authorize', '/v2/nothing/here']) {
    const { headers } = await send(service, 'GET', path, { headers: { origin: 'https://viewer.example' } })
    t.equal(headers.get('access-control-allow-origin'), '*', path)
  }
  const { status, headers, text } = await send(service, 'OPTIONS', '/v2/authorize', {
    headers: {
      origin: 'https://viewer.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  })
  t.equal(status, 204)
  t.equal(text, '')
  t.equal(headers.get('access-control-allow-origin'), '*')
  t.equal(headers.get('access-control-allow-methods'), 'GET, PUT, POST, DELETE')
  t.equal(
    headers.get('access-control-allow-headers'),
    'Authorization, Content-Type, Cache-Control, If-None-Match',
  )
  t.equal(headers.get('access-control-allow-credentials'), null)
})

t.test('what is not there is 404, and another method 405, in the words of this API', async t => {
  for (const path of ['/v2', '/v2/nothing', '/v2/my-slug/objects/1', '/v2/my-slug/objects//locks']) {
    const { status, json, headers } = await send(service, 'GET', path)
    t.equal(status, 404, path)
    t.equal(headers.get('content-type'), 'application/json')
    t.same(Object.keys(json), ['message'])
  }
  const { status, json } = await send(service, 'DELETE', '/v2/authorize')
  t.equal(status, 405)
  t.same(Object.keys(json), ['message'])
})

t.test('where the dialect is switched off its paths do not exist', async t => {
  const { call } = await startService(t, { dialects: {} })
  for (const [method, path] of [
    ['POST', '/v2/authorize'],
    ['PUT', '/v2/my-slug/objects/1/locks'],
    ['OPTIONS', '/v2/authorize'],
  ] as const) {
    const { status, json, headers } = await call(method, path)
    t.equal(status, 404)
    t.equal(headers.get('content-type'), 'application/problem+json')
    t.equal(json.code, 'not_found')
  }
})
