import { randomUUID } from 'node:crypto'
import t from 'tap'
import { expire } from '../../support/database.ts'
import { documentedAnswers, LOCKS, NAMESPACE, startService, uniqueId } from '../service.ts'

const service = await startService(t)
const { admin, alice, bob, viewer } = service.keys
const foreign = await service.keyOf('eve', 'locker', 'elsewhere')

async function lockOf(key: string, id = uniqueId(), options: object = {}) {
  const { json } = await service.call('POST', LOCKS, {
    key,
    body: { resources: [{ type: 'file', id }], ttl: 30, ...options },
  })
  return json.locks[0]
}

t.test('a lock is read by whoever may look', async t => {
  const lock = await lockOf(alice)
  const { status, json } = await service.call('GET', `${LOCKS}/${lock.id}`, { key: viewer })
  t.equal(status, 200)
  t.match(json, { id: lock.id, holder: 'alice', fencing_token: lock.fencing_token })
  t.notOk('existing' in json)
  t.equal((await service.call('GET', `${LOCKS}/${lock.id}`, { key: foreign })).status, 403)
})

t.test('a lock that is gone, expired or of another namespace is 404', async t => {
  const lock = await lockOf(alice)
  const elsewhere = `/v1/namespaces/${encodeURIComponent('DEFAULT')}/locks/${lock.id}`
  t.equal((await service.call('GET', elsewhere, { key: admin })).json.code, 'lock_not_found')
  await expire(service.stores, lock.session)
  const { status, json } = await service.call('GET', `${LOCKS}/${lock.id}`, { key: alice })
  t.equal(status, 404)
  t.equal(json.code, 'lock_not_found')
  t.equal((await service.call('GET', `${LOCKS}/9223372036854775807`, { key: alice })).status, 404)
})

t.test('a touch makes the session live on', async t => {
  const lock = await lockOf(alice)
  await service.stores.sql(
    `update sessions set expires_at = now() + interval '5 s', last_touch = now() - interval '25 s',
       started = now() - interval '25 s' where id = $1`,
    [lock.session],
  )
  const { status, json } = await service.call('PUT', `${LOCKS}/${lock.id}`, { key: alice })
  t.equal(status, 200)
  t.equal(json.fencing_token, lock.fencing_token)
  t.ok(json.expires_in > 29, `${json.expires_in} s left`)
})

t.test('a touch of what is not held is refused', async t => {
  const lock = await lockOf(alice)
  t.equal((await service.call('PUT', `${LOCKS}/${lock.id}`, { key: bob })).status, 403)
  t.equal((await service.call('PUT', `${LOCKS}/${lock.id}`, { key: viewer })).status, 403)
  await expire(service.stores, lock.session)
  const { status, json } = await service.call('PUT', `${LOCKS}/${lock.id}`, { key: alice })
  t.equal(status, 404)
  t.equal(json.code, 'lock_not_found')
})

t.test('a release is 204 without a body, and 404 when it is repeated', async t => {
  const lock = await lockOf(alice)
  t.equal((await service.call('DELETE', `${LOCKS}/${lock.id}`, { key: bob })).status, 403)
  const released = await service.call('DELETE', `${LOCKS}/${lock.id}`, { key: alice })
  t.equal(released.status, 204)
  t.equal(released.text, '')
  t.equal(released.headers.get('content-type'), null)
  t.equal((await service.call('DELETE', `${LOCKS}/${lock.id}`, { key: alice })).status, 404)
  t.equal((await lockOf(bob, lock.resource.id)).holder, 'bob')
})

t.test('an administrator releases by force, with a reason, and it is on record', async t => {
  const lock = await lockOf(alice)
  const path = `${LOCKS}/${lock.id}`
  const bare = await service.call('DELETE', `${path}?force=true`, { key: admin })
  t.equal(bare.status, 400)
  t.match(bare.json.errors, [{ field: 'query reason' }])
  t.equal((await service.call('DELETE', `${path}?force=true&reason=mine`, { key: bob })).status, 403)
  t.equal((await service.call('DELETE', `${path}?force=false`, { key: admin })).status, 403)
  const forced = await service.call('DELETE', `${path}?force=true&reason=ticket%204711`, { key: admin })
  t.equal(forced.status, 204)
  t.match(service.audit.at(-1), {
    event: 'lock_force_released',
    by: 'root',
    reason: 'ticket 4711',
    namespace: NAMESPACE,
    lockIds: [lock.id],
    holders: ['alice'],
  })
})

t.test('a list has pages that together have every live lock once', async t => {
  const prefix = uniqueId()
  const made = []
  for (let count = 0; count < 7; count += 1) made.push(await lockOf(alice, `${prefix}/${count}`))
  const found: string[] = []
  let cursor: string | null = ''
  let pages = 0
  while (cursor !== null) {
    const query: string = `?id_prefix=${prefix}&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { status, json } = await service.call('GET', LOCKS + query, { key: viewer })
    t.equal(status, 200)
    found.push(...json.locks.map((lock: { id: string }) => lock.id))
    cursor = json.next_cursor
    pages += 1
  }
  t.same(
    found,
    made.map(lock => lock.id),
  )
  t.equal(pages, 3)
  const exact = await service.call('GET', `${LOCKS}?id_prefix=${prefix}&limit=7`, { key: viewer })
  t.equal(exact.json.next_cursor, null, 'a full page without another has no cursor')
})

t.test('a list is narrowed by type, id, prefix, holder and session', async t => {
  const id = `50%_\\${uniqueId()}é`
  const session = randomUUID()
  const lock = await lockOf(bob, id, { session })
  await lockOf(bob, `${id}x`)
  const idsOf = async (query: Record<string, string>) => {
    const { json } = await service.call('GET', `${LOCKS}?${new URLSearchParams(query)}`, { key: viewer })
    return json.locks.map((found: { id: string }) => found.id)
  }
  t.same(await idsOf({ id }), [lock.id])
  t.same(await idsOf({ session: session.toUpperCase() }), [lock.id])
  t.equal((await idsOf({ id_prefix: id })).length, 2)
  t.equal((await idsOf({ id_prefix: id, holder: 'bob', type: 'file' })).length, 2)
  t.same(await idsOf({ id_prefix: id, holder: 'alice' }), [])
  t.same(await idsOf({ id, type: 'other' }), [])
  t.same(await idsOf({ id_prefix: '50__' }), [], 'a wildcard of SQL is a letter like others')
  await expire(service.stores, session)
  t.same(await idsOf({ id }), [], 'an expired lock is not listed')
})

t.test('a list of another namespace is 403', async t => {
  t.equal((await service.call('GET', LOCKS, { key: foreign })).status, 403)
})

t.test('who holds a resource is answered by its name, slashes and all', async t => {
  const id = `src/${uniqueId()}/ä b?.ts`
  const path = `/v1/namespaces/${encodeURIComponent(NAMESPACE)}/resources/file/${encodeURIComponent(id)}/lock`
  const free = await service.call('GET', path, { key: viewer })
  t.equal(free.status, 404)
  t.equal(free.json.code, 'lock_not_found')
  const lock = await lockOf(alice, id)
  const held = await service.call('GET', path, { key: viewer })
  t.equal(held.status, 200)
  t.match(held.json, { id: lock.id, resource: { type: 'file', id } })
  t.equal((await service.call('GET', path, { key: foreign })).status, 403)
})

t.test('every documented answer of these calls was seen', async t => {
  for (const answer of documentedAnswers(
    'listLocks',
    'getLock',
    'touchLock',
    'releaseLock',
    'getLockOfResource',
  )) {
    t.ok(service.seen.has(answer), answer)
  }
})
