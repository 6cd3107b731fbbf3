import t from 'tap'
import { Database } from '../../../../src/database/database.ts'
import { LockRepository } from '../../../../src/database/lock-repository.ts'
import { UserRepository } from '../../../../src/database/user-repository.ts'
import { LockService } from '../../../../src/locks/lock-service.ts'
import { UserService } from '../../../../src/locks/user-service.ts'
import { expire, faults, POOL_SETTINGS } from '../../../support/database.ts'
import { connectedTo } from '../../../support/scratch-database.ts'
import { exchange, rawSocket } from '../../raw-socket.ts'
import { DIALECTS, startService, uniqueId } from '../../service.ts'
import { Colleague, catalogue, HERE, send, signIn, TEAM } from './bimplus-client.ts'

const service = await startService(t)
const { keys, stores } = service
const alice = await signIn(service, 'alice')
const bob = await signIn(service, 'bob')
const boss = await signIn(service, 'boss', 'admin')
const victor = await signIn(service, 'victor', 'viewer')

const PHRASE = 'Object already locked'

/** Holders and what they hold, of an answer. */
const held = (answer: { json: { user: { email: string }; objects: string[] }[] }) =>
  Object.fromEntries(answer.json.map(({ user, objects }) => [user.email, objects]))

/** `<root>` with the children `a` and `b`, and below `a` the grandchild `aa`; returns their ids. */
async function tree() {
  const root = uniqueId()
  const [a, b, aa] = [`${root}-a`, `${root}-b`, `${root}-a-a`]
  await catalogue(service, { [root]: {}, [a]: { parent: root }, [b]: { parent: root }, [aa]: { parent: a } })
  return { root, a, b, aa }
}

/** A selection of two objects. */
async function selection() {
  const id = uniqueId()
  const [a, b] = [`${id}a`, `${id}b`]
  await catalogue(service, { [a]: {}, [b]: {}, [id]: { elements: [a, b] } })
  return { id, a, b }
}

t.test('an object is locked, looked at and unlocked', async t => {
  const id = '770dbe31-8df0-441a-92de-b464bfdfa0e8'
  const number = await service.services.users.numberOf('alice')
  const mine = [
    {
      user: { id: `00000000-0000-8000-8000-${number.toString(16).padStart(12, '0')}`, email: 'alice' },
      objects: [id],
    },
  ]
  t.same((await bob.locks('GET', id)).json, [], 'free')
  const locked = await alice.locks('PUT', id)
  t.equal(locked.status, 200)
  t.same(locked.json, mine)
  const seen = await bob.locks('GET', id)
  t.equal(seen.status, 200)
  t.equal(seen.headers.get('content-type'), 'application/json')
  t.same(seen.json, mine)
  t.same((await alice.locks('PUT', id)).json, mine, 'again')
  const unlocked = await alice.locks('DELETE', id)
  t.equal(unlocked.status, 200)
  t.same(unlocked.json, {})
  t.same((await bob.locks('GET', id)).json, [])
  t.equal((await alice.locks('DELETE', id)).status, 200, 'unlocking what is free')
})

t.test('a refusal is 403 and one phrase: text, or JSON for those who would have it first', async t => {
  const id = uniqueId()
  await alice.locks('PUT', id)
  for (const method of ['PUT', 'DELETE'] as const) {
    for (const accept of [
      '*/*',
      'text/plain, */*; q=0.01',
      'text/html, application/json',
      'application/jsonp',
    ]) {
      const { status, text, headers } = await bob.locks(method, id, '', { headers: { accept } })
      t.equal(status, 403)
      t.equal(headers.get('content-type'), 'text/plain; charset=utf-8')
      t.equal(text, PHRASE)
    }
    for (const accept of [
      'application/json',
      'application/json, text/javascript, */*; q=0.01',
      'Application/JSON;q=1',
    ]) {
      const { status, json } = await bob.locks(method, id, '', { headers: { accept } })
      t.equal(status, 403)
      t.same(json, { message: PHRASE })
    }
  }
  const bare = await exchange(
    service.port,
    `PUT /v2/${TEAM}/objects/${id}/locks HTTP/1.1\r\nHost: x\r\nAuthorization: BimPlus ${bob.token}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  )
  t.match(bare, /^HTTP\/1\.1 403 /, 'without Accept')
  t.match(bare, new RegExp(`\r\n\r\n${PHRASE}$`))
})

t.test('an object is locked with everything below it, or not at all', async t => {
  const { root, a, b, aa } = await tree()
  t.same(held(await alice.locks('PUT', root)), { alice: [root, a, aa, b] })
  t.same(held(await bob.locks('GET', root)), { alice: [root, a, aa, b] })
  t.same(held(await bob.locks('GET', a, '?withChildren=true')), { alice: [a, aa] })
  t.same(held(await bob.locks('GET', root, '?withChildren=false')), { alice: [root] })
  for (const id of [root, a, b, aa]) t.equal((await bob.locks('PUT', id)).text, PHRASE)
  await alice.locks('DELETE', a)
  t.same(held(await bob.locks('GET', root)), { alice: [root, b] })
  t.same(held(await bob.locks('PUT', aa)), { bob: [aa] })
  t.equal((await alice.locks('PUT', root)).status, 403)
  t.same(held(await bob.locks('GET', root)), { alice: [root, b], bob: [aa] }, 'nothing was taken')
  t.equal((await alice.locks('DELETE', root)).status, 403)
  t.same(held(await bob.locks('GET', root)), { alice: [root, b], bob: [aa] }, 'nothing was given up')
})

t.test('withChildren=false is about the object alone', async t => {
  const { root, a, aa } = await tree()
  await bob.locks('PUT', a, '?withChildren=false')
  t.same(held(await alice.locks('PUT', root, '?withChildren=false')), { alice: [root] })
  t.same(held(await alice.locks('PUT', aa)), { alice: [aa] }, 'a parent that is locked does not matter')
  t.equal((await bob.locks('PUT', root, '?withChildren=false')).status, 403)
  t.equal((await alice.locks('DELETE', root, '?withChildren=false')).status, 200)
  t.same(held(await alice.locks('GET', root)), { bob: [a], alice: [aa] })
})

t.test("the vendor's example: a selection 1 of 1a and 1b", async t => {
  await catalogue(service, { '1a': {}, '1b': {}, '1': { elements: ['1a', '1b'] } })
  await bob.locks('PUT', '1a')
  const refused = await alice.locks('PUT', '1')
  t.equal(refused.status, 403)
  t.equal(refused.text, PHRASE, 'when 1a is locked by another user, and without any other info')
  const looked = await alice.locks('GET', '1')
  t.equal(looked.status, 200)
  t.same(held(looked), { bob: ['1a'] }, 'who actually locks')
  await bob.locks('DELETE', '1a')
  await alice.locks('PUT', '1a')
  const locked = await alice.locks('PUT', '1')
  t.equal(locked.status, 200, 'when 1a is locked by the user who makes the call')
  t.same(held(locked), { alice: ['1', '1a', '1b'] }, 'all objects are now locked')
  t.same(held(await bob.locks('GET', '1')), { alice: ['1', '1a', '1b'] })
  t.equal((await alice.locks('DELETE', '1')).status, 200)
  t.same((await bob.locks('GET', '1')).json, [])
})

t.test('a selection has elements and no children', async t => {
  const { id, a, b } = await selection()
  await catalogue(service, { [`${a}-child`]: { parent: a } })
  for (const method of ['PUT', 'DELETE'] as const) {
    const { status, json } = await alice.locks(method, id, '?withChildren=true')
    t.equal(status, 400)
    t.match(json, { message: /withChildren=false/ })
  }
  t.same((await alice.locks('GET', id, '?withChildren=true')).json, [])
  t.same(held(await alice.locks('PUT', id, '?withChildren=false')), { alice: [id, a, b] })
  t.same(held(await bob.locks('GET', id, '?withChildren=false')), { alice: [id, a, b] })
  t.equal((await bob.locks('DELETE', id)).status, 403)
  t.equal((await alice.locks('DELETE', id, '?withChildren=false')).status, 200)
  t.same((await bob.locks('GET', id)).json, [])
  t.same(held(await bob.locks('PUT', `${a}-child`)), { bob: [`${a}-child`] })
  t.equal((await alice.locks('PUT', id)).status, 200, 'what is below an element does not matter')
})

t.test('a strict service refuses a selection also where withChildren is left out', async t => {
  const strict = await startService(t, {
    stores: { url: stores.url },
    dialects: { ...DIALECTS, bimplus: { refusesSelectionsByDefault: true } },
  })
  const { id } = await selection()
  const colleague = new Colleague(strict, 'alice', alice.token)
  t.equal((await colleague.locks('PUT', id)).status, 400)
  t.equal((await colleague.locks('DELETE', id)).status, 400)
  t.equal((await colleague.locks('PUT', id, '?withChildren=false')).status, 200)
  t.equal((await colleague.locks('DELETE', id, '?withChildren=false')).status, 200)
  const { root } = await tree()
  t.equal((await colleague.locks('PUT', root)).json[0].objects.length, 4, 'objects are as ever')
})

t.test('a selection with an element that does not exist is 403, and nothing is locked', async t => {
  const { id, a, b } = await selection()
  await catalogue(service, { [id]: { elements: [a, `${id}-gone`, b] } })
  const { status, json } = await alice.locks('PUT', id)
  t.equal(status, 403)
  t.match(json, { message: /does not exist/ })
  t.same((await alice.locks('GET', id)).json, [])
})

t.test('a selection can be unlocked when an element of it is no more', async t => {
  const { id, a, b } = await selection()
  await alice.locks('PUT', id)
  await service.call('DELETE', `${HERE}/resources/object/${b}`, { key: keys.admin })
  t.equal((await alice.locks('PUT', id)).status, 403)
  t.same(held(await bob.locks('GET', id)), { alice: [id, a, b] })
  t.equal((await bob.locks('DELETE', id)).text, PHRASE)
  t.equal((await alice.locks('DELETE', id)).status, 200)
  t.same((await bob.locks('GET', id)).json, [])
})

t.test('what a closed team does not have is 404', async t => {
  const closed = uniqueId()
  const namespace = `/v1/namespaces/${closed}`
  await service.call('PUT', namespace, { key: keys.admin, body: { closed: true } })
  await service.call('PUT', `${namespace}/resources/object/known`, { key: keys.admin, body: {} })
  await service.call('PUT', `${namespace}/resources/object/choice`, {
    key: keys.admin,
    body: { kind: 'selection', elements: [{ type: 'object', id: 'unknown' }] },
  })
  const carol = await signIn(service, 'carol', 'locker', closed)
  const locks = (method: string, id: string) =>
    send(service, method, `/v2/${closed}/objects/${id}/locks`, {
      headers: { authorization: `BimPlus ${carol.token}` },
    })
  for (const method of ['PUT', 'GET', 'DELETE']) {
    t.equal((await locks(method, 'known')).status, 200, method)
    const { status, json } = await locks(method, 'unknown')
    t.equal(status, 404, method)
    t.type(json.message, 'string')
  }
  t.equal((await locks('PUT', 'choice')).status, 403)
})

t.test(
  'asAdmin takes over what others hold, and releases it; only for administrators of the team',
  async t => {
    const { root, a, b, aa } = await tree()
    await alice.locks('PUT', a)
    await bob.locks('PUT', b)
    for (const method of ['PUT', 'DELETE'] as const) {
      for (const who of [bob, victor]) {
        const { status, json } = await who.locks(method, root, '?asAdmin=true')
        t.equal(status, 403)
        t.match(json, { message: /needs a key with the role/ })
      }
      t.equal((await boss.locks(method, root)).text, PHRASE, 'administrators too have to say so')
      t.equal((await boss.locks(method, root, '?asAdmin=false')).text, PHRASE)
    }
    const before = service.audit.length
    t.same(held(await boss.locks('PUT', root, '?asAdmin=true')), { boss: [root, a, aa, b] })
    t.same(held(await alice.locks('GET', root)), { boss: [root, a, aa, b] })
    t.match(service.audit.slice(before), [
      { event: 'lock_taken_over', by: 'boss', reason: 'asAdmin', namespace: TEAM, count: 4 },
    ])
    t.same(new Set(service.audit.at(-1)?.holders), new Set(['alice', 'bob']))
    await boss.locks('DELETE', root)
    await alice.locks('PUT', root)
    t.equal((await boss.locks('DELETE', a, '?asAdmin=TRUE')).status, 200)
    t.same(held(await alice.locks('GET', root)), { alice: [root, b] })
    t.match(service.audit.at(-1), { event: 'lock_force_released', by: 'boss', reason: 'asAdmin' })
    t.equal((await boss.locks('DELETE', root, '?asAdmin=true&withChildren=false')).status, 200)
    t.same(held(await alice.locks('GET', root)), { alice: [b] })
  },
)

t.test('a token is good for its own team, and for what its key may do', async t => {
  const id = uniqueId()
  const stranger = await signIn(service, 'stella', 'admin', 'another-team')
  for (const method of ['PUT', 'GET', 'DELETE'] as const) {
    for (const query of ['', '?asAdmin=true']) {
      const { status, json } = await stranger.locks(method, id, query)
      t.equal(status, 403)
      t.match(json, { message: /another-team/ })
    }
    const nobody = new Colleague(service, 'nobody', '9c1874a62c974dcfa75e0132c423a088')
    t.equal((await nobody.locks(method, id)).status, 401)
  }
  t.equal((await victor.locks('PUT', id)).status, 403)
  t.equal((await victor.locks('DELETE', id)).status, 403)
  t.equal((await victor.locks('GET', id)).status, 200)
})

t.test('a GUID is one object in upper and lower case, any other id is taken byte for byte', async t => {
  const guid = '0B3F7D1E-6A57-4A4E-8F0C-1F3F5D8F5B10'
  t.same(held(await alice.locks('PUT', guid)), { alice: [guid.toLowerCase()] })
  t.equal((await bob.locks('PUT', guid.toLowerCase())).status, 403)
  t.same(held(await bob.locks('GET', guid)), { alice: [guid.toLowerCase()] })
  t.equal((await alice.locks('DELETE', guid)).status, 200)
  t.equal((await alice.locks('PUT', '2A')).status, 200)
  t.equal((await bob.locks('PUT', '2a')).status, 200)
  t.equal((await alice.locks('PUT', 'a%2Fb%20c%C3%A9')).json[0].objects[0], 'a/b cé')
  t.equal((await alice.locks('PUT', 'x'.repeat(1025))).status, 400)
  t.equal((await send(service, 'GET', `/v2/${'t'.repeat(256)}/objects/1/locks`)).status, 400)
})

t.test('parameters are true or false, once; those that nobody knows are ignored', async t => {
  const { root } = await tree()
  for (const query of [
    'withChildren=',
    'withChildren=1',
    'asAdmin=yes',
    'withChildren=true&withChildren=false',
  ]) {
    t.equal((await alice.locks('PUT', root, `?${query}`)).status, 400, query)
    if (query.startsWith('with')) t.equal((await alice.locks('GET', root, `?${query}`)).status, 400, query)
    const { status, json } = await alice.locks('DELETE', root, `?${query}`)
    t.equal(status, 400)
    t.match(json, { message: /true or false/ })
  }
  t.same((await alice.locks('GET', root)).json, [])
  t.equal((await alice.locks('GET', root, '?_=1795000000000')).status, 200)
  t.same(held(await alice.locks('PUT', root, '?useclientid=true&withchildren=x&withChildren=FALSE')), {
    alice: [root],
  })
})

t.test('bodies are ignored, whatever is in them, and the place that holds the user too', async t => {
  const id = uniqueId()
  const bodies: Parameters<typeof send>[3][] = [
    {},
    { headers: { 'content-type': 'application/json; charset=utf-8' } },
    { body: { user: 'bob', objects: [uniqueId()] } },
    { body: [] },
    { lines: '{not JSON', headers: { 'content-type': 'application/json' } },
    { lines: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  ]
  for (const method of ['PUT', 'DELETE'] as const) {
    for (const options of bodies) t.equal((await alice.locks(method, id, '', options)).status, 200)
    if (method === 'PUT') t.same(held(await bob.locks('GET', id)), { alice: [id] })
  }
  t.equal((await alice.locks('PUT', id, '', { body: 'x'.repeat(70_000) })).status, 413)
})

t.test('a space at the end of the path, and a type without a body, are no trouble', async t => {
  const id = uniqueId()
  const head = `Host: x\r\nAuthorization: BimPlus ${alice.token}\r\nConnection: close\r\n`
  const put = await exchange(
    service.port,
    `PUT /v2/${TEAM}/objects/${id}/locks%20 HTTP/1.1\r\n${head}Content-Type: application/json; charset=utf-8\r\nContent-Length: 0\r\nCookie: $Version=1; a=b; $Path=/; $Domain=x\r\n\r\n`,
  )
  t.match(put, /^HTTP\/1\.1 200 /)
  const get = await exchange(
    service.port,
    `GET /v2/${TEAM}/objects/${id}/locks%20?_=1795000000000 HTTP/1.1\r\n${head}Content-Type: application/json\r\n\r\n`,
  )
  t.match(get, /^HTTP\/1\.1 200 /)
  t.match(get, new RegExp(`"objects":\\["${id}"\\]`))
})

t.test('pages of any origin may call, also where they are refused', async t => {
  const id = uniqueId()
  const { status, headers } = await send(service, 'OPTIONS', `/v2/${TEAM}/objects/${id}/locks`, {
    headers: { origin: 'https://viewer.example', 'access-control-request-method': 'DELETE' },
  })
  t.equal(status, 204)
  t.match(headers.get('access-control-allow-methods'), 'DELETE')
  await alice.locks('PUT', id)
  const refused = await bob.locks('PUT', id, '', { headers: { origin: 'https://viewer.example' } })
  t.equal(refused.headers.get('access-control-allow-origin'), '*')
})

t.test('a lock goes on when its token has ended, and is the same for the next one', async t => {
  const id = uniqueId()
  const earlier = await signIn(service, 'erin')
  await earlier.locks('PUT', id)
  await stores.sql(
    `update sessions set started = started - interval '1 day', last_touch = last_touch - interval '1 day',
       expires_at = expires_at - interval '1 day'
     where user_name = 'erin' and secret_hash is not null`,
  )
  t.equal((await earlier.locks('GET', id)).status, 401)
  t.same(held(await bob.locks('GET', id)), { erin: [id] })
  const later = await signIn(service, 'erin')
  t.same(held(await later.locks('PUT', id)), { erin: [id] })
  t.equal((await later.locks('DELETE', id)).status, 200)
  t.same((await bob.locks('GET', id)).json, [])
})

t.test('locks are those of every other API, with the client that signed in', async t => {
  const { root, a } = await tree()
  const password = await service.keyOf('dora', 'locker', TEAM)
  const { json } = await send(service, 'POST', '/v2/authorize', {
    body: { user_id: 'dora', password, client_id: 'viewer-7' },
  })
  await new Colleague(service, 'dora', json.access_token).locks('PUT', root)
  const listed = await service.call('GET', `${HERE}/locks?type=object&id=${a}`, { key: keys.admin })
  t.match(listed.json.locks, [{ holder: 'dora', client: 'viewer-7', expires_at: null }])
  const other = uniqueId()
  const taken = await service.call('POST', `${HERE}/locks`, {
    key: keys.admin,
    body: { resources: [{ type: 'object', id: other }], ttl: 60 },
  })
  t.equal(taken.status, 201)
  t.equal((await alice.locks('PUT', other)).text, PHRASE)
  t.same(held(await alice.locks('GET', other)), { root: [other] })
  await expire(stores, taken.json.locks[0].session)
  t.same((await alice.locks('GET', other)).json, [], 'what has expired is free')
  t.equal((await alice.locks('PUT', other)).status, 200)
})

t.test('a list ends at ten thousand locks and says so', async t => {
  const root = uniqueId()
  await catalogue(service, { [root]: {} })
  await stores.sql(
    `insert into resources (namespace, resource_type, resource_id, parent_type, parent_id)
     select $1, 'object', $2 || '-' || n, 'object', $2 from generate_series(1, 10000) n`,
    [TEAM, root],
  )
  const locked = await alice.locks('PUT', root)
  t.equal(locked.status, 200)
  for (const answer of [locked, await bob.locks('GET', root)]) {
    t.equal(answer.headers.get('leasehold-truncated'), 'true')
    t.equal(answer.json[0].objects.length, 10_000)
  }
  await alice.locks('DELETE', root, '?withChildren=false')
  const whole = await bob.locks('GET', root)
  t.equal(whole.headers.get('leasehold-truncated'), null)
  t.equal(whole.json[0].objects.length, 10_000)
  t.equal((await alice.locks('DELETE', root)).status, 200)
  t.same((await bob.locks('GET', root)).json, [])
})

t.test('a lock that was granted is answered also where the list cannot be read back', async t => {
  const nowhere = new Database({ ...POOL_SETTINGS, url: 'postgres://x@127.0.0.1:1/x' }, 'leasehold')
  t.teardown(() => nowhere.close())
  const unreachable = new LockRepository(nowhere, { retried() {} })
  class Unlisted extends LockRepository {
    override listBelow(...query: Parameters<LockRepository['listBelow']>) {
      return unreachable.listBelow(...query)
    }
  }
  const cut = await startService(t, {
    stores: { url: stores.url },
    locks: new LockService(new Unlisted(stores.database, { retried() {} }), () => {}),
  })
  const { root } = await tree()
  const colleague = new Colleague(cut, 'alice', alice.token)
  const locked = await colleague.locks('PUT', root)
  t.equal(locked.status, 200)
  t.same(held(locked), { alice: [root] })
  t.equal(locked.headers.get('leasehold-truncated'), 'true')
  t.equal((await colleague.locks('GET', root)).status, 503)
})

t.test('a list that is read back names nobody who took over meanwhile', async t => {
  const { root, a, b, aa } = await tree()
  class Overtaken extends LockRepository {
    override async listBelow(...query: Parameters<LockRepository['listBelow']>) {
      await boss.locks('PUT', a, '?asAdmin=true')
      return super.listBelow(...query)
    }
  }
  const slow = await startService(t, {
    stores: { url: stores.url },
    locks: new LockService(new Overtaken(stores.database, { retried() {} }), () => {}),
  })
  const locked = await new Colleague(slow, 'alice', alice.token).locks('PUT', root)
  t.equal(locked.status, 200)
  t.same(held(locked), { alice: [root, b] })
  t.same(held(await bob.locks('GET', root)), { alice: [root, b], boss: [a, aa] })
})

t.test('nothing is locked where the answer could not name the holder', async t => {
  const nowhere = new Database({ ...POOL_SETTINGS, url: 'postgres://x@127.0.0.1:1/x' }, 'leasehold')
  t.teardown(() => nowhere.close())
  const cut = await startService(t, {
    stores: { url: stores.url },
    users: new UserService(new UserRepository(nowhere)),
  })
  const id = uniqueId()
  t.equal((await new Colleague(cut, 'alice', alice.token).locks('PUT', id)).status, 503)
  t.same((await bob.locks('GET', id)).json, [])
})

t.test('half a request locks nothing', async t => {
  const id = uniqueId()
  const { socket } = await rawSocket(service.port)
  socket.write(
    `PUT /v2/${TEAM}/objects/${id}/locks HTTP/1.1\r\nHost: x\r\nX-Request-Id: half-${id}\r\nAuthorization: BimPlus ${alice.token}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a":`,
  )
  socket.end()
  const isOver = () => service.log.some(line => line.request_id === `half-${id}`)
  const deadline = Date.now() + 5000
  while (!isOver() && Date.now() < deadline) await new Promise(resolve => setImmediate(resolve))
  t.ok(isOver())
  t.same((await bob.locks('GET', id)).json, [])
})

t.test('trouble of the database is 503 or 504 with a message, never an answer', async t => {
  const small = await startService(t, { stores: { statementTimeoutMs: 300, lockTimeoutMs: 200 } })
  const colleague = await signIn(small, 'alice')
  const password = await small.keyOf('zoe', 'locker', TEAM)
  const other = await connectedTo(t, small.stores.url)
  await other.query('begin')
  await other.query('lock table leasehold.sessions, leasehold.locks in access exclusive mode')
  const answers = [
    await colleague.locks('PUT', '1'),
    await colleague.locks('GET', '1'),
    await colleague.locks('DELETE', '1'),
    await send(small, 'GET', '/v2/authorize', { headers: { authorization: `BimPlus ${colleague.token}` } }),
    await small.call('POST', '/v2/authorize', { body: { user_id: 'zoe', password } }),
  ]
  await other.query('rollback')
  for (const { status, json, headers } of answers) {
    t.ok(status === 504 || status === 503, `${status}`)
    t.equal(headers.get('retry-after'), '1')
    t.same(Object.keys(json), ['message'])
  }
})

t.test('nothing was left in disorder', async t => {
  t.same(await faults(stores), [])
})
