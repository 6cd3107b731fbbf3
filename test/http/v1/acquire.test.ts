import { randomUUID } from 'node:crypto'
import t from 'tap'
import { putTree } from '../../support/catalogue.ts'
import { expire } from '../../support/database.ts'
import { connectedTo } from '../../support/scratch-database.ts'
import { documentedAnswers, LOCKS, NAMESPACE, startService, uniqueId } from '../service.ts'

const service = await startService(t)
const { admin, alice, bob, viewer } = service.keys

const of = (...ids: readonly string[]) => ids.map(id => ({ type: 'defect', id }))
const acquire = (key: string, body: object) => service.call('POST', LOCKS, { key, body })

t.test('a free resource is granted: 201, the whole lock, and where it is', async t => {
  const id = uniqueId()
  const { status, headers, json } = await acquire(alice, {
    resources: of(id),
    ttl: 60,
    client: 'ws-15',
    reference: 'build-1',
    metadata: { editor: 'web', nested: [1, { a: null }] },
  })
  t.equal(status, 201)
  const [lock] = json.locks
  t.same(Object.keys(lock), [
    'id',
    'fencing_token',
    'namespace',
    'resource',
    'holder',
    'client',
    'session',
    'reference',
    'metadata',
    'lock_time',
    'session_last_touch',
    'expires_at',
    'expires_in',
    'existing',
  ])
  t.match(lock, {
    id: /^[1-9]\d*$/,
    fencing_token: Number,
    namespace: NAMESPACE,
    resource: { type: 'defect', id },
    holder: 'alice',
    client: 'ws-15',
    session: /^[0-9a-f-]{36}$/,
    reference: 'build-1',
    metadata: { editor: 'web', nested: [1, { a: null }] },
    lock_time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    expires_in: 60,
    existing: false,
  })
  t.equal(Date.parse(lock.expires_at) - Date.parse(lock.session_last_touch), 60_000)
  t.equal(headers.get('location'), `${LOCKS}/${lock.id}`)
  const { json: found } = await service.call('GET', headers.get('location') ?? '', { key: alice })
  t.equal(found.id, lock.id)
})

t.test('without a ttl a lock lives for 30 seconds', async t => {
  const { json } = await acquire(alice, { resources: of(uniqueId()) })
  t.equal(json.locks[0].expires_in, 30)
})

t.test('a set is granted whole, and says where none of one lock would be', async t => {
  const ids = [uniqueId(), uniqueId(), uniqueId()]
  const { status, headers, json } = await acquire(alice, { resources: of(...ids), ttl: 2.5 })
  t.equal(status, 201)
  t.same(
    json.locks.map((lock: { resource: { id: string } }) => lock.resource.id),
    ids,
  )
  t.equal(new Set(json.locks.map((lock: { session: string }) => lock.session)).size, 1)
  t.equal(headers.get('location'), null)
})

t.test('what somebody else holds is 409 with every conflict, and when it may be free', async t => {
  const [held, alsoHeld, free] = [uniqueId(), uniqueId(), uniqueId()]
  await acquire(alice, { resources: of(held), ttl: 60 })
  await acquire(alice, { resources: of(alsoHeld), ttl: 500 })
  const { status, headers, json } = await acquire(bob, { resources: of(held, free, alsoHeld) })
  t.equal(status, 409)
  t.match(json, { code: 'lock_conflict', detail: '2 locks are held by others; nothing was taken' })
  t.same(
    new Set(json.conflicts.map((lock: { resource: { id: string } }) => lock.resource.id)),
    new Set([held, alsoHeld]),
  )
  t.match(json.conflicts[0], { holder: 'alice', metadata: {} })
  const retryAfter = Number(headers.get('retry-after'))
  t.ok(retryAfter > 490 && retryAfter <= 500, `${retryAfter} s`)
  t.equal((await acquire(bob, { resources: of(free) })).status, 201, 'the free one was not taken')
})

t.test('a conflict with a lock without end has no Retry-After', async t => {
  const id = uniqueId()
  const { json } = await acquire(alice, { resources: of(id), session: randomUUID(), ttl: null })
  t.match(json.locks[0], { expires_at: null, expires_in: null })
  const { status, headers } = await acquire(bob, { resources: of(id) })
  t.equal(status, 409)
  t.equal(headers.get('retry-after'), null)
})

t.test('an acquire with a session of its own making can be repeated: 200 and the same lock', async t => {
  const session = randomUUID()
  const body = { resources: of(uniqueId()), session: session.toUpperCase(), ttl: 30 }
  const first = await acquire(alice, body)
  t.equal(first.status, 201)
  t.equal(first.json.locks[0].session, session)
  const repeat = await acquire(alice, body)
  t.equal(repeat.status, 200)
  t.match(repeat.json.locks, [{ id: first.json.locks[0].id, existing: true }])
  t.equal(repeat.json.locks[0].fencing_token, first.json.locks[0].fencing_token)
})

t.test('a set of which a part is held already is 201, and tells which part', async t => {
  const session = randomUUID()
  const [first, second] = [uniqueId(), uniqueId()]
  await acquire(alice, { resources: of(first), session, ttl: 30 })
  const { status, json } = await acquire(alice, { resources: of(first, second), session, ttl: 30 })
  t.equal(status, 201)
  t.same(
    json.locks.map((lock: { existing: boolean }) => lock.existing),
    [true, false],
  )
})

t.test('with reentry by user, a lock of another session of the user counts as held', async t => {
  const id = uniqueId()
  const { json } = await acquire(alice, { resources: of(id) })
  t.equal((await acquire(alice, { resources: of(id) })).status, 409)
  const again = await acquire(alice, { resources: of(id), reentry: 'user' })
  t.equal(again.status, 200)
  t.equal(again.json.locks[0].id, json.locks[0].id)
})

t.test('a session that has expired is 409 session_expired', async t => {
  const session = randomUUID()
  await acquire(alice, { resources: of(uniqueId()), session, ttl: 30 })
  await expire(service.stores, session)
  const { status, json } = await acquire(alice, { resources: of(uniqueId()), session, ttl: 30 })
  t.equal(status, 409)
  t.equal(json.code, 'session_expired')
})

t.test('a session that never was, without a ttl to make it, is 404', async t => {
  const { status, json } = await acquire(alice, { resources: of(uniqueId()), session: randomUUID() })
  t.equal(status, 404)
  t.equal(json.code, 'session_not_found')
})

t.test('a session of somebody else is 403', async t => {
  const session = randomUUID()
  await acquire(alice, { resources: of(uniqueId()), session, ttl: 30 })
  const { status, json } = await acquire(bob, { resources: of(uniqueId()), session, ttl: 30 })
  t.equal(status, 403)
  t.equal(json.code, 'forbidden')
})

t.test('a viewer, and a key of another namespace, are 403', async t => {
  t.equal((await acquire(viewer, { resources: of(uniqueId()) })).status, 403)
  const foreign = await service.keyOf('eve', 'locker', 'elsewhere')
  t.equal((await acquire(foreign, { resources: of(uniqueId()) })).status, 403)
})

t.test('an administrator takes over, with a reason, and it is on record', async t => {
  const id = uniqueId()
  const { json: before } = await acquire(alice, { resources: of(id), ttl: 60 })
  t.equal((await acquire(bob, { resources: of(id), takeover: true, reason: 'mine' })).status, 403)
  const bare = await acquire(admin, { resources: of(id), takeover: true })
  t.equal(bare.status, 400)
  t.match(bare.json.errors, [{ field: 'reason' }])
  const taken = await acquire(admin, { resources: of(id), takeover: true, reason: 'ws-15 was stolen' })
  t.equal(taken.status, 201)
  const [lock] = taken.json.locks
  t.equal(lock.holder, 'root')
  t.ok(lock.fencing_token > before.locks[0].fencing_token)
  t.match(service.audit.at(-1), { event: 'lock_taken_over', by: 'root', reason: 'ws-15 was stolen' })
  const records = service.audit.length
  for (const resources of [of(id), of(uniqueId())]) {
    const session = { session: lock.session, ttl: 60 }
    const { status } = await acquire(admin, { resources, ...session, takeover: true, reason: 'to be sure' })
    t.ok(status === 200 || status === 201)
  }
  t.equal(service.audit.length, records, 'where nobody held it, nothing was taken over')
})

t.test('a resource that others are at work on is 503 and to be tried again in a second', async t => {
  const id = uniqueId()
  const other = await connectedTo(t, service.stores.url)
  await other.query('set search_path to leasehold')
  await other.query('begin')
  await other.query('select claim_resource($1, $2, $3)', [NAMESPACE, 'defect', id])
  const { status, headers, json } = await acquire(alice, { resources: of(id) })
  t.equal(status, 503)
  t.equal(json.code, 'resource_contended')
  t.equal(headers.get('retry-after'), '1')
  await other.query('rollback')
  t.equal((await acquire(alice, { resources: of(id) })).status, 201)
})

t.test('the holder is the user of the key, and a body cannot say otherwise', async t => {
  const { status, json } = await acquire(alice, { resources: of(uniqueId()), holder: 'bob' })
  t.equal(status, 400)
  t.match(json.errors, [{ field: 'holder', message: 'is not a field of this request' }])
})

t.test('in a closed namespace a resource that the catalogue does not have is 404, and named', async t => {
  const here = '/v1/namespaces/closed'
  const { admin } = service.keys
  await service.call('PUT', here, { key: admin, body: { closed: true } })
  const { status, json } = await service.call('POST', `${here}/locks`, {
    key: admin,
    body: { resources: [{ type: 'defect', id: '2' }] },
  })
  t.equal(status, 404)
  t.match(json, { code: 'resource_not_found', errors: [{ field: 'resources[0]' }] })
})

t.test(
  'with children: everything below is taken, the named lock is answered, and all are counted',
  async t => {
    const [folder, leaf, choice] = [uniqueId(), uniqueId(), uniqueId()]
    const resources = `/v1/namespaces/${encodeURIComponent(NAMESPACE)}/resources/defect`
    const put = (id: string, body: object) => service.call('PUT', `${resources}/${id}`, { key: admin, body })
    await put(folder, {})
    await put(leaf, { parent: { type: 'defect', id: folder } })
    await put(choice, { kind: 'selection', elements: of(leaf, 'nowhere') })
    const session = { session: randomUUID(), ttl: 30 }
    const alone = await acquire(alice, { resources: of(folder), ...session })
    t.match(alone.json, { count: 1 })
    const { status, headers, json } = await acquire(alice, {
      resources: of(folder),
      with_children: true,
      ...session,
    })
    t.equal(status, 201, 'one of them is new')
    t.match(json, { locks: [{ resource: { id: folder }, existing: true }], count: 2 })
    t.equal(json.locks.length, 1)
    t.equal(headers.get('location'), null)
    const again = await acquire(alice, { resources: of(folder), with_children: true, ...session })
    t.match(again, { status: 200, json: { count: 2 } })
    const refused = await acquire(bob, { resources: of(folder), with_children: true })
    t.equal(refused.status, 409)
    t.match(refused.json, {
      detail: '2 locks are held by others; nothing was taken',
      conflicts: [{ holder: 'alice' }, { holder: 'alice' }],
      conflict_count: 2,
    })
    const missing = await acquire(alice, { resources: of(choice), with_children: true })
    t.equal(missing.status, 404)
    t.match(missing.json, { code: 'resource_not_found', errors: [{ field: 'with_children' }] })
    const taken = await acquire(admin, {
      resources: of(folder),
      with_children: true,
      takeover: true,
      reason: 'ws-15 was stolen',
    })
    t.match(taken.json, { count: 2, locks: [{ holder: 'root' }] })
    t.match(service.audit.at(-1), { event: 'lock_taken_over', count: 2, holders: ['alice'] })
  },
)

t.test('a set beyond what can be taken at once is 400', async t => {
  await putTree(service.stores, 'large', 200_000)
  const { status, json } = await service.call('POST', '/v1/namespaces/tests/locks', {
    key: admin,
    body: { resources: [{ type: 'thing', id: 'large' }], with_children: true },
  })
  t.equal(status, 400)
  t.match(json, { code: 'invalid_request', errors: [{ field: 'resources' }] })
})

t.test('every documented answer of this call was seen', async t => {
  for (const answer of documentedAnswers('acquireLocks')) t.ok(service.seen.has(answer), answer)
})
