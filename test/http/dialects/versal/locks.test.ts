import t from 'tap'
import { expire, faults } from '../../../support/database.ts'
import { startService, uniqueId } from '../../service.ts'
import { LOCK_SECONDS, NAMESPACE, namedAnswers, wireOf } from './wire.ts'

const service = await startService(t)
const wire = wireOf(service)
const keys = {
  alice: await service.keyOf('alice', 'locker', NAMESPACE),
  bob: await service.keyOf('bob', 'locker', NAMESPACE),
  viewer: await service.keyOf('victor', 'viewer', NAMESPACE),
  admin: await service.keyOf('ada', 'admin', NAMESPACE),
  foreign: await service.keyOf('eve', 'admin', 'elsewhere'),
}
const partner = service.keys.admin
const alice = await wire.signIn('alice')
const bob = await wire.signIn('bob')

const CREDENTIALS = { error: 401, message: 'Invalid credentials' }
const PERMISSIONS = { error: 403, message: 'Insufficient permissions' }
const LOCKED = { error: 403, message: 'Resource locked' }

async function numberOf(user: string): Promise<string> {
  return String(await service.services.users.numberOf(user))
}

/** A course that no other test has used. */
const freshCourse = (): string => `c${uniqueId()}`

t.test('a user locks a gadget, sees it among the locks of the course, and unlocks it', async t => {
  const courseId = freshCourse()
  const locked = await wire.lock(alice, courseId, '6d0c8a7e')
  t.equal(locked.status, 201)
  t.equal(locked.headers.get('content-type'), 'application/json')
  const { id } = locked.json
  t.match(id, /^[1-9]\d*$/, 'text that is an integer of 64 bits')
  t.equal(
    locked.text,
    `{"type":"gadget","subject":{"courseId":"${courseId}","gadgetId":"6d0c8a7e"},` +
      `"ownerId":"${await numberOf('alice')}","expiresIn":${LOCK_SECONDS * 1000},"id":"${id}"}`,
    'fields in the order of the model',
  )
  const listed = await wire.locksOf(bob, courseId)
  t.equal(listed.status, 200)
  t.match(listed.json, [{ ...locked.json, expiresIn: Number }])
  const left = listed.json[0].expiresIn
  t.ok(Number.isInteger(left) && left > 0 && left <= LOCK_SECONDS * 1000, `${left} ms left`)
  const unlocked = await wire.unlock(alice, id)
  t.equal(unlocked.status, 200)
  t.equal(unlocked.text, '{}')
  t.same((await wire.locksOf(alice, courseId)).json, [])
  const again = await wire.unlock(alice, id)
  t.equal(again.status, 404)
  t.equal(again.text, `{"error":404,"message":"Lock '${id}' not found"}`)
})

t.test('everything is there below the address that the vendor has, too', async t => {
  const courseId = freshCourse()
  const { json } = await wire.call(keys.alice, 'POST', '/api2/sessions', { userId: await numberOf('alice') })
  const sid = json.sessionId
  const subject = { courseId, gadgetId: 'g' }
  const locked = await wire.call(sid, 'POST', '/api2/locks', { type: 'gadget', subject })
  t.equal(locked.status, 201)
  t.match((await wire.locksOf(sid, courseId)).json, [{ id: locked.json.id }], 'the same locks')
  t.match((await wire.call(sid, 'GET', `/api2/locks?subject.courseId=${courseId}`)).json, [{ subject }])
  t.equal((await wire.call(sid, 'GET', '/api2/session')).status, 200)
  t.equal((await wire.call(sid, 'DELETE', `/api2/locks/${locked.json.id}`)).status, 200)
  t.equal((await wire.call(sid, 'POST', '/api2/signout')).status, 200)
})

t.test('what another user holds is refused, and a lock of theirs cannot be deleted', async t => {
  const courseId = freshCourse()
  const { json: held } = await wire.lock(alice, courseId, 'g')
  for (const sid of [bob, keys.bob, keys.admin]) {
    const refused = await wire.lock(sid, courseId, 'g')
    t.equal(refused.status, 403)
    t.same(refused.json, LOCKED)
    const kept = await wire.unlock(sid, held.id)
    t.equal(kept.status, 403)
    t.same(kept.json, PERMISSIONS)
  }
  t.same((await wire.unlock(partner, held.id)).json, PERMISSIONS, 'a partner key is no exception')
  t.match((await wire.locksOf(bob, courseId)).json, [{ id: held.id }])
})

t.test('the holder who asks again keeps the lock, with all of its time', async t => {
  const courseId = freshCourse()
  const { json: first } = await wire.lock(alice, courseId, 'g')
  await service.stores.sql(
    `update sessions set started = started - interval '10 min', last_touch = last_touch - interval '10 min',
       expires_at = expires_at - interval '10 min'
     where id = (select session_id from locks where id = $1)`,
    [first.id],
  )
  const [before] = (await wire.locksOf(alice, courseId)).json
  t.ok(before.expiresIn <= (LOCK_SECONDS - 600) * 1000, `${before.expiresIn} ms left`)
  for (const sid of [alice, keys.alice, await wire.signIn('alice')]) {
    const again = await wire.lock(sid, courseId, 'g')
    t.equal(again.status, 201)
    t.same(again.json, first, 'the same lock, whichever way the user came')
  }
})

t.test('a user has one lock: another one gives up the earlier, wherever that is', async t => {
  const [here, there] = [freshCourse(), freshCourse()]
  const { json: first } = await wire.lock(alice, here, 'a')
  const { json: second } = await wire.lock(alice, here, 'b')
  t.not(second.id, first.id)
  t.match((await wire.locksOf(alice, here)).json, [{ id: second.id }])
  const { json: third } = await wire.lock(keys.alice, there, 'a')
  t.same((await wire.locksOf(alice, here)).json, [])
  t.match((await wire.locksOf(alice, there)).json, [{ id: third.id }])
  t.equal((await wire.unlock(alice, first.id)).status, 404)
  t.same(await faults(service.stores), [])
})

t.test('a refused lock does not cost the earlier one', async t => {
  const courseId = freshCourse()
  const { json: own } = await wire.lock(alice, courseId, 'own')
  await wire.lock(bob, courseId, 'taken')
  t.same((await wire.lock(alice, courseId, 'taken')).json, LOCKED)
  t.match((await wire.locksOf(alice, courseId)).json, [
    { id: own.id, subject: { gadgetId: 'own' } },
    { subject: { gadgetId: 'taken' } },
  ])
})

t.test('a lock that has run out is gone for everybody', async t => {
  const courseId = freshCourse()
  const { json: held } = await wire.lock(keys.alice, courseId, 'g')
  const [row] = await service.stores.sql<{ session_id: string }>(
    'select session_id from locks where id = $1',
    [held.id],
  )
  await expire(service.stores, row?.session_id)
  t.same((await wire.locksOf(keys.alice, courseId)).json, [])
  t.same((await wire.unlock(keys.alice, held.id)).json, {
    error: 404,
    message: `Lock '${held.id}' not found`,
  })
  const taken = await wire.lock(keys.bob, courseId, 'g')
  t.equal(taken.status, 201)
  t.equal(taken.json.ownerId, await numberOf('bob'))
  t.not(taken.json.id, held.id)
})

t.test('without good credentials every call is 401', async t => {
  const nobody = [undefined, '', 'lh_nobody', '6f0e8a52-6ad4-4f77-a1a5-0f5a1c9e2b11', `${alice}x`]
  for (const sid of nobody) {
    for (const [method, path, body] of [
      ['GET', '/locks?subject.courseId=course1'],
      ['GET', '/locks'],
      ['POST', '/locks', { type: 'gadget', subject: { courseId: 'course1', gadgetId: 'g' } }],
      ['POST', '/locks', 'not even an object'],
      ['DELETE', '/locks/1'],
      ['DELETE', '/locks/none'],
      ['POST', '/sessions', { userId: '1' }],
      ['GET', '/session'],
      ['POST', '/signout'],
    ] as const) {
      const answer = await wire.call(sid, method, path, body)
      t.equal(answer.status, 401, `${method} ${path} as ${sid}`)
      t.same(answer.json, CREDENTIALS)
    }
  }
  t.equal((await service.call('GET', '/session', { key: keys.alice })).status, 401, 'a SID, nothing else')
})

t.test('a partner key looks, but locks nothing', async t => {
  const courseId = freshCourse()
  const answer = await wire.lock(partner, courseId, 'g')
  t.equal(answer.status, 401)
  t.same(answer.json, CREDENTIALS)
  t.same((await wire.locksOf(partner, courseId)).json, [])
})

t.test('a viewer looks and changes nothing; a key of another namespace does neither', async t => {
  const courseId = freshCourse()
  const { json: held } = await wire.lock(alice, courseId, 'g')
  t.match((await wire.locksOf(keys.viewer, courseId)).json, [{ id: held.id }])
  t.same((await wire.lock(keys.viewer, courseId, 'h')).json, PERMISSIONS)
  t.same((await wire.unlock(keys.viewer, held.id)).json, PERMISSIONS)
  for (const answer of [
    await wire.locksOf(keys.foreign, courseId),
    await wire.lock(keys.foreign, courseId, 'h'),
    await wire.unlock(keys.foreign, held.id),
  ]) {
    t.equal(answer.status, 403)
    t.same(answer.json, PERMISSIONS)
  }
})

t.test('a list needs its course, once', async t => {
  for (const query of ['', '?', '?courseId=abcdef', '?subject.courseId=abcdef&subject.courseId=abcdef']) {
    t.equal((await wire.call(alice, 'GET', `/locks${query}`)).status, 400, query)
  }
})

t.test('a course has a course id or an integer of 64 bits, each in one spelling', async t => {
  const proper = ['abcdef', '0a1b2c', '000001', '7', '0', '-7', '9223372036854775807', '-9223372036854775808']
  for (const courseId of [...proper, 'x'.repeat(255)]) {
    const locked = await wire.lock(alice, courseId, 'g')
    t.equal(locked.status, 201, courseId)
    t.equal(locked.json.subject.courseId, courseId)
    t.match((await wire.locksOf(alice, courseId)).json, [{ id: locked.json.id }])
  }
  const none = ['', 'abcde', 'ABCDEF', 'abc-def', 'abc/def', '07', '+7', '-0', '7.0', '-9223372036854775809']
  for (const courseId of [...none, 'abcdef ', ' abcdef', 'ab\ncdef', 'äbcdef', 'x'.repeat(256)]) {
    const expected = { error: 404, message: `Course '${courseId}' not found` }
    const listed = await wire.locksOf(alice, courseId)
    const locked = await wire.lock(alice, courseId, 'g')
    t.equal(listed.status, 404, courseId)
    t.same(listed.json, expected)
    t.equal(locked.status, 404)
    t.same(locked.json, expected)
  }
})

t.test('a gadget id is any text; courses and gadgets do not run into each other', async t => {
  const courseId = freshCourse()
  const texts = ['g', '/', 'a/b', ' ', '%2F', 'ünï', '😀', '__proto__', "it's", 'x'.repeat(768)]
  for (const gadgetId of texts) {
    const locked = await wire.lock(alice, courseId, gadgetId)
    t.equal(locked.status, 201, gadgetId)
    t.same(locked.json.subject, { courseId, gadgetId })
    t.same((await wire.locksOf(alice, courseId)).json[0].subject, { courseId, gadgetId })
  }
  await wire.lock(alice, `${courseId}z`, 'g')
  t.same((await wire.locksOf(alice, courseId)).json, [], 'a course whose id is longer is another one')
})

t.test('a body that is no lock request is 400, and unknown fields do not matter', async t => {
  const subject = { courseId: freshCourse(), gadgetId: 'g' }
  for (const body of [
    [],
    {},
    'text',
    { subject },
    { type: 'gadget' },
    { type: 'lesson', subject },
    { type: 'gadget', subject: {} },
    { type: 'gadget', subject: { courseId: subject.courseId } },
    { type: 'gadget', subject: { gadgetId: 'g' } },
    { type: 'gadget', subject: { ...subject, courseId: 123456 } },
    { type: 'gadget', subject: { ...subject, gadgetId: 7 } },
    { type: 'gadget', subject: { ...subject, gadgetId: '' } },
    { type: 'gadget', subject: { ...subject, gadgetId: 'a\0b' } },
    { type: 'gadget', subject: { ...subject, gadgetId: '\ud800' } },
    { type: 'gadget', subject: { ...subject, gadgetId: 'x'.repeat(769) } },
  ]) {
    t.equal((await wire.call(alice, 'POST', '/locks', body)).status, 400, JSON.stringify(body).slice(0, 80))
  }
  const extra = { type: 'gadget', ownerId: '1', expiresIn: 5, subject: { ...subject, lessonId: '3' } }
  const { status, json } = await wire.call(alice, 'POST', '/locks', extra)
  t.equal(status, 201)
  t.equal(json.ownerId, await numberOf('alice'), 'the holder is who asks, whatever the body says')
  t.equal(json.expiresIn, LOCK_SECONDS * 1000)
})

t.test('an id that is no lock of this API is 404', async t => {
  const elsewhere = `/v1/namespaces/${NAMESPACE}/locks`
  const others: string[] = []
  for (const resource of [
    { type: 'course', id: freshCourse() },
    { type: 'course', id: 'abcdef/g' },
    { type: 'gadget', id: 'without-a-course' },
    { type: 'gadget', id: 'NOT-A-COURSE/g' },
  ]) {
    const { json } = await service.call('POST', elsewhere, {
      key: keys.alice,
      body: { resources: [resource] },
    })
    others.push(json.locks[0].id)
  }
  const none = ['0', '-1', '01', '1.0', 'none', '1e3', '9223372036854775807', '9223372036854775808', '٣']
  for (const id of [...none, ...others, '1'.repeat(30)]) {
    const { status, json } = await wire.unlock(keys.alice, id)
    t.equal(status, 404, id)
    t.same(json, { error: 404, message: `Lock '${id}' not found` })
  }
  const { json } = await service.call('GET', elsewhere, { key: keys.alice })
  t.same(
    others.filter(id => !json.locks.some((lock: { id: string }) => lock.id === id)),
    [],
    'they are all still there',
  )
})

t.test('a lock that another API took is listed, refused and unlocked like any other', async t => {
  const courseId = freshCourse()
  const taken = await service.call('POST', `/v1/namespaces/${NAMESPACE}/locks`, {
    key: keys.bob,
    body: {
      resources: [{ type: 'gadget', id: `${courseId}/g` }],
      session: '3b6c1f0e-58f5-4b8e-9a39-6f0f4f5f7c01',
      ttl: null,
    },
  })
  const { id } = taken.json.locks[0]
  t.equal(
    (await wire.locksOf(alice, courseId)).text,
    `[{"type":"gadget","subject":{"courseId":"${courseId}","gadgetId":"g"},` +
      `"ownerId":"${await numberOf('bob')}","id":"${id}"}]`,
    'without an end it says nothing of one',
  )
  t.same((await wire.lock(alice, courseId, 'g')).json, LOCKED)
  t.equal((await wire.lock(bob, courseId, 'g')).json.id, id)
  t.equal((await wire.unlock(bob, id)).status, 200)
})

t.test('a list has all locks of a course in the order of their ids, however many', async t => {
  const courseId = freshCourse()
  const ids = Array.from({ length: 2001 }, (_, index) => ({ type: 'gadget', id: `${courseId}/g${index}` }))
  for (let at = 0; at < ids.length; at += 1000) {
    const { status } = await service.call('POST', `/v1/namespaces/${NAMESPACE}/locks`, {
      key: keys.bob,
      body: { resources: ids.slice(at, at + 1000), ttl: 600 },
    })
    t.equal(status, 201)
  }
  const { json } = await wire.locksOf(alice, courseId)
  t.equal(json.length, 2001)
  const order = json.map(({ id }: { id: string }) => BigInt(id))
  t.ok(
    order.every((id: bigint, index: number) => index === 0 || id > order[index - 1]),
    'ascending, none twice',
  )
})

t.test('a closed namespace knows its courses and gadgets', async t => {
  const service = await startService(t)
  const wire = wireOf(service)
  const [admin, sid] = [service.keys.admin, await service.keyOf('alice', 'locker', NAMESPACE)]
  const viewer = await service.keyOf('victor', 'viewer', NAMESPACE)
  const v1 = (path: string, body: unknown) =>
    service.call('PUT', `/v1/namespaces/${NAMESPACE}${path}`, { key: admin, body })
  await v1('/resources/course/abcdef', {})
  await v1('/resources/gadget/abcdef%2Fg1', { parent: { type: 'course', id: 'abcdef' } })
  await v1('', { closed: true })
  t.equal((await wire.lock(sid, 'abcdef', 'g1')).status, 201)
  const gadget = await wire.lock(sid, 'abcdef', 'g2')
  t.equal(gadget.status, 404)
  t.same(gadget.json, { error: 404, message: "Gadget 'g2' not found" })
  const course = await wire.lock(sid, 'ghijkl', 'g1')
  t.equal(course.status, 404)
  t.same(course.json, { error: 404, message: "Course 'ghijkl' not found" })
  t.match((await wire.locksOf(viewer, 'abcdef')).json, [{ subject: { gadgetId: 'g1' } }])
  const listed = await wire.locksOf(viewer, 'ghijkl')
  t.equal(listed.status, 404)
  t.same(listed.json, { error: 404, message: "Course 'ghijkl' not found" })
  const [held] = (await wire.locksOf(viewer, 'abcdef')).json
  await wire.unlock(sid, held.id)
  t.same((await wire.locksOf(viewer, 'abcdef')).json, [], 'the course is there without a lock, too')
})

t.test('a course whose entry is gone still shows the locks in it', async t => {
  const service = await startService(t)
  const wire = wireOf(service)
  const sid = await service.keyOf('alice', 'locker', NAMESPACE)
  const { json } = await wire.lock(sid, 'abcdef', 'g1')
  await service.call('PUT', `/v1/namespaces/${NAMESPACE}`, {
    key: service.keys.admin,
    body: { closed: true },
  })
  t.match((await wire.locksOf(sid, 'abcdef')).json, [{ id: json.id }])
  t.equal((await wire.lock(sid, 'abcdef', 'g1')).json.id, json.id, 'and its holder keeps it')
  t.equal((await wire.unlock(sid, json.id)).status, 200)
  t.equal((await wire.locksOf(sid, 'abcdef')).status, 404)
})

t.test('the routes here have given every status that they name, bodies too large or of no type aside', t => {
  const missing = namedAnswers().filter(
    answer => / \/locks/.test(answer) && !wire.seen.has(answer) && !/ 41[35]$/.test(answer),
  )
  t.same(missing, [])
  t.end()
})
