import { randomUUID } from 'node:crypto'
import t from 'tap'
import { expire } from '../../support/database.ts'
import { documentedAnswers, LOCKS, startService, uniqueId } from '../service.ts'

const service = await startService(t)
const { admin, alice, bob, viewer } = service.keys

const create = (key: string, body: object = {}) => service.call('POST', '/v1/sessions', { key, body })

t.test('a session is made, with a default ttl and an id of the service', async t => {
  const { status, headers, json } = await create(alice)
  t.equal(status, 201)
  t.same(Object.keys(json), [
    'id',
    'user',
    'client',
    'ttl',
    'started',
    'last_touch',
    'expires_at',
    'expires_in',
    'ends_with_last_lock',
  ])
  t.match(json, { user: 'alice', client: null, ttl: 30, expires_in: 30, ends_with_last_lock: false })
  t.equal(headers.get('location'), `/v1/sessions/${json.id}`)
})

t.test('a session that the client named can be made again: 200', async t => {
  const id = randomUUID()
  const body = { id: id.toUpperCase(), ttl: 1.5, client: 'ws-15' }
  const first = await create(alice, body)
  t.equal(first.status, 201)
  t.match(first.json, { id, ttl: 1.5, client: 'ws-15' })
  t.equal((await create(alice, body)).status, 200)
})

t.test('a session of null seconds never expires', async t => {
  t.match((await create(alice, { ttl: null })).json, { ttl: null, expires_at: null, expires_in: null })
})

t.test('the id of a session that has ended is not used again: 409', async t => {
  const id = randomUUID()
  await create(alice, { id })
  await expire(service.stores, id)
  const { status, json } = await create(alice, { id })
  t.equal(status, 409)
  t.equal(json.code, 'session_expired')
})

t.test('the id of somebody else, and the role of a viewer, are 403', async t => {
  const { json } = await create(alice)
  t.equal((await create(bob, { id: json.id })).status, 403)
  t.equal((await create(viewer)).status, 403)
})

t.test('a session is seen by its user and by the administrator', async t => {
  const { json } = await create(alice)
  const path = `/v1/sessions/${json.id}`
  t.equal((await service.call('GET', path, { key: alice })).json.id, json.id)
  t.equal(
    (await service.call('GET', path.toUpperCase().replace('/V1/SESSIONS', '/v1/sessions'), { key: alice }))
      .status,
    200,
  )
  t.equal((await service.call('GET', path, { key: admin })).status, 200)
  const hidden = await service.call('GET', path, { key: bob })
  t.equal(hidden.status, 404)
  t.equal(hidden.json.code, 'session_not_found')
})

t.test('a touch sets the expiry anew', async t => {
  const { json } = await create(alice, { ttl: 40 })
  await service.stores.sql(
    `update sessions set expires_at = now() + interval '5 s', last_touch = now() - interval '35 s',
       started = now() - interval '35 s' where id = $1`,
    [json.id],
  )
  const touched = await service.call('PUT', `/v1/sessions/${json.id}`, { key: alice })
  t.equal(touched.status, 200)
  t.ok(touched.json.expires_in > 39)
  t.equal((await service.call('PUT', `/v1/sessions/${json.id}`, { key: bob })).status, 403)
})

t.test('a session that is gone cannot be touched', async t => {
  const id = randomUUID()
  t.equal((await service.call('PUT', `/v1/sessions/${id}`, { key: alice })).json.code, 'session_not_found')
  await create(alice, { id })
  await expire(service.stores, id)
  const { status, json } = await service.call('PUT', `/v1/sessions/${id}`, { key: alice })
  t.equal(status, 409)
  t.equal(json.code, 'session_expired')
})

t.test('a session ends whole: all its locks are free', async t => {
  const { json: session } = await create(alice)
  const ids = [uniqueId(), uniqueId()]
  const resources = ids.map(id => ({ type: 'file', id }))
  await service.call('POST', LOCKS, { key: alice, body: { resources, session: session.id } })
  t.equal((await service.call('POST', LOCKS, { key: bob, body: { resources } })).status, 409)
  const path = `/v1/sessions/${session.id}`
  t.equal((await service.call('DELETE', path, { key: bob })).status, 404)
  t.equal((await service.call('DELETE', path, { key: viewer })).status, 403)
  const ended = await service.call('DELETE', path, { key: alice })
  t.equal(ended.status, 204)
  t.equal(ended.text, '')
  t.equal((await service.call('DELETE', path, { key: alice })).status, 404)
  t.equal((await service.call('POST', LOCKS, { key: bob, body: { resources } })).status, 201)
})

t.test('a user lists the sessions of their own, an administrator everybody’s', async t => {
  const carol = await service.keyOf('carol', 'locker')
  const made = []
  for (let count = 0; count < 5; count += 1) made.push((await create(carol)).json.id)
  const found: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const query: string = `?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { json } = await service.call('GET', `/v1/sessions${query}`, { key: carol })
    found.push(...json.sessions.map((session: { id: string }) => session.id))
    cursor = json.next_cursor
  }
  t.same(
    found,
    made.sort((one, other) => (one < other ? -1 : 1)),
  )
  const ofCarol = await service.call('GET', '/v1/sessions?user=carol', { key: admin })
  t.equal(ofCarol.json.sessions.length, 5)
  const all = await service.call('GET', '/v1/sessions?limit=1000', { key: admin })
  t.ok(all.json.sessions.length > 5)
  t.equal((await service.call('GET', '/v1/sessions?user=carol', { key: bob })).status, 403)
})

t.test('every documented answer of these calls was seen', async t => {
  for (const answer of documentedAnswers(
    'createSession',
    'listSessions',
    'getSession',
    'touchSession',
    'endSession',
  )) {
    t.ok(service.seen.has(answer), answer)
  }
})
