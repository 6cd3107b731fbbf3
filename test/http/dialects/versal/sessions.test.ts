import t from 'tap'
import { expire } from '../../../support/database.ts'
import { startService } from '../../service.ts'
import { NAMESPACE, namedAnswers, wireOf } from './wire.ts'

const service = await startService(t)
const wire = wireOf(service)
const partner = service.keys.admin
const keys = {
  alice: await service.keyOf('alice', 'locker', NAMESPACE),
  carol: await service.keyOf('carol@example.com', 'locker', NAMESPACE),
  spaced: await service.keyOf('Dora D.', 'locker', NAMESPACE),
  viewer: await service.keyOf('victor', 'viewer', NAMESPACE),
  /** Of one namespace, which makes no partner. */
  admin: await service.keyOf('ada', 'admin', NAMESPACE),
}
const number = async (user: string) => service.services.users.numberOf(user)

const NOT_PARTNER = { error: 403, message: 'Insufficient permissions (must be a partner)' }
const CREDENTIALS = { error: 401, message: 'Invalid credentials' }

async function sessionOf(sid: string): Promise<{ id: string; expires_in: number } | undefined> {
  const found = await service.services.signIns.find(sid, 'here')
  return found && { id: found.session.id, expires_in: found.session.expiresInSeconds ?? 0 }
}

t.test('a partner key opens a session for a user, named by number or by name', async t => {
  const id = await number('alice')
  for (const body of [
    { userId: id },
    { userId: String(id) },
    { email: 'alice' },
    { userId: id, email: 'nobody' },
    { userId: id, expiresIn: 1 },
    { userId: id, expiresIn: null, email: null, orgId: 5 },
  ]) {
    const { status, json } = await wire.call(partner, 'POST', '/sessions', body)
    t.equal(status, 201, JSON.stringify(body))
    t.match(json.sessionId, /^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/)
    t.same(json.user, {
      username: 'alice',
      displayname: 'alice',
      id: String(id),
      orgs: [],
      subscriptions: [],
    })
    t.ok(((await sessionOf(json.sessionId))?.expires_in ?? 0) > 86_000, 'a day, whatever was asked for')
  }
})

t.test('the name of a user is shown as what it can be', async t => {
  const carol = await wire.call(partner, 'POST', '/sessions', { email: 'carol@example.com' })
  t.match(carol.json.user, { email: 'carol@example.com', displayname: 'carol@example.com' })
  t.notOk('username' in carol.json.user)
  const dora = await wire.call(keys.spaced, 'POST', '/sessions', { email: 'Dora D.' })
  t.same(Object.keys(dora.json.user), ['displayname', 'id', 'orgs', 'subscriptions'])
})

t.test('a session acts for its user: with the rights of a locker where a partner opened it', async t => {
  const sid = await wire.signIn('victor')
  const { status, json } = await wire.lock(sid, 'forvictor', 'g')
  t.equal(status, 201)
  t.equal(json.ownerId, String(await number('victor')))
  const own = await wire.call(keys.viewer, 'POST', '/sessions', { email: 'victor' })
  t.equal(own.status, 201)
  t.equal((await wire.lock(own.json.sessionId, 'forvictor', 'g')).status, 403, 'his own key lets him look')
})

t.test('a partner who opened a session for himself is a user in it', async t => {
  const sid = await wire.signIn('root')
  t.equal((await wire.lock(sid, 'forroot', 'g')).status, 201)
  t.match((await wire.call(sid, 'GET', '/session')).json, { sessionType: 'PlainUserSession' })
})

t.test("a user's own key opens sessions for that user alone", async t => {
  const own = await wire.call(keys.alice, 'POST', '/sessions', { userId: await number('alice') })
  t.equal(own.status, 201)
  for (const sid of [keys.alice, keys.admin]) {
    for (const body of [{ userId: await number('carol@example.com') }, { email: 'root' }, { userId: 4711 }]) {
      const { status, json } = await wire.call(sid, 'POST', '/sessions', body)
      t.equal(status, 403, 'whether there is such a user or not')
      t.same(json, NOT_PARTNER)
    }
  }
})

t.test('a session opens no session, not even its own again', async t => {
  for (const user of ['alice', 'root']) {
    const sid = await wire.signIn(user)
    const { status, json } = await wire.call(sid, 'POST', '/sessions', { userId: await number(user) })
    t.equal(status, 403)
    t.same(json, NOT_PARTNER)
  }
})

t.test('a session for nobody, or for somebody who is not there', async t => {
  for (const body of [{}, { expiresIn: 5 }, { userId: null }, { userId: '', email: '' }, { email: '' }]) {
    const { status, text } = await wire.call(partner, 'POST', '/sessions', body)
    t.equal(status, 400)
    t.equal(text, '{"error":400,"message":"Missing field: userId or email"}')
  }
  for (const userId of ['4711', 4711, 0, '-1', '9223372036854775807', 'alice', '1.5', '1e0']) {
    const { status, json } = await wire.call(partner, 'POST', '/sessions', { userId })
    t.equal(status, 404, String(userId))
    t.same(json, { error: 404, message: `User '${userId}' not found` })
  }
  const { status, json } = await wire.call(partner, 'POST', '/sessions', { email: 'no@example.com' })
  t.equal(status, 404)
  t.same(json, { error: 404, message: "User 'no@example.com' not found" })
})

t.test('a body that is no session request is 400', async t => {
  for (const body of [
    [],
    'text',
    { userId: {} },
    { userId: 1.5 },
    { email: 7 },
    { userId: 1, expiresIn: -1 },
    { userId: 1, expiresIn: 1.5 },
    { userId: 1, expiresIn: '5' },
  ]) {
    t.equal((await wire.call(partner, 'POST', '/sessions', body)).status, 400, JSON.stringify(body))
  }
})

t.test('a session tells what it is', async t => {
  const userId = String(await number('alice'))
  for (const sid of [await wire.signIn('alice'), keys.alice]) {
    const { status, text } = await wire.call(sid, 'GET', '/session')
    t.equal(status, 200)
    t.equal(text, `{"sessionType":"PlainUserSession","userId":"${userId}","isVFOContainerLocked":false}`)
  }
  const { status, text } = await wire.call(partner, 'GET', '/session')
  t.equal(status, 200)
  t.equal(text, '{"sessionType":"PartnerKey","isVFOContainerLocked":false}')
})

t.test('signing out ends the session, and leaves the lock', async t => {
  const sid = await wire.signIn('alice')
  const other = await wire.signIn('alice')
  const { json } = await wire.lock(sid, 'signedout', 'g')
  const { status, text } = await wire.call(sid, 'POST', '/signout')
  t.equal(status, 200)
  t.equal(text, '{}')
  for (const [method, path] of [
    ['GET', '/session'],
    ['POST', '/signout'],
    ['GET', '/locks?subject.courseId=signedout'],
  ] as const) {
    t.same((await wire.call(sid, method, path)).json, CREDENTIALS)
  }
  t.match((await wire.locksOf(other, 'signedout')).json, [{ id: json.id }])
  t.equal((await wire.unlock(other, json.id)).status, 200, 'from any session of the user')
})

t.test('a key cannot be signed out', async t => {
  for (const sid of [keys.alice, partner]) {
    t.same((await wire.call(sid, 'POST', '/signout')).json, CREDENTIALS)
    t.equal((await wire.call(sid, 'GET', '/session')).status, 200)
  }
})

t.test('every request gives a session its day again; a day without one ends it', async t => {
  const requests = [
    ['GET', '/session', undefined, 200],
    ['GET', '/locks?subject.courseId=abcdef', undefined, 200],
    ['POST', '/locks', { type: 'gadget', subject: { courseId: 'touched', gadgetId: 'g' } }, 201],
    ['DELETE', '/locks/none', undefined, 404],
    ['POST', '/sessions', { userId: '1' }, 403],
  ] as const
  for (const [method, path, body, status] of requests) {
    const sid = await wire.signIn('alice')
    const before = await sessionOf(sid)
    await service.stores.sql(
      `update sessions set started = started - interval '23 h', last_touch = last_touch - interval '23 h',
         expires_at = expires_at - interval '23 h' where id = $1`,
      [before?.id],
    )
    t.ok(((await sessionOf(sid))?.expires_in ?? 0) < 3601)
    t.equal((await wire.call(sid, method, path, body)).status, status)
    t.ok(((await sessionOf(sid))?.expires_in ?? 0) > 86_000, `${method} ${path}`)
    await expire(service.stores, before?.id)
    t.same((await wire.call(sid, method, path, body)).json, CREDENTIALS)
  }
})

t.test('a session is the same in upper case, and nothing but its own text stands for it', async t => {
  const sid = await wire.signIn('alice')
  t.equal((await wire.call(sid.toUpperCase(), 'GET', '/session')).status, 200)
  for (const text of [sid.replaceAll('-', ''), `{${sid}}`, (await sessionOf(sid))?.id]) {
    t.equal((await wire.call(text, 'GET', '/session')).status, 401)
  }
})

t.test('a session ends with the key that opened it', async t => {
  const key = await service.keyOf('temp', 'locker', NAMESPACE)
  const { json } = await wire.call(key, 'POST', '/sessions', { email: 'temp' })
  t.equal((await wire.call(json.sessionId, 'GET', '/session')).status, 200)
  await service.stores.sql(
    `update api_keys set revoked_at = now() where user_id = (select id from users where name = 'temp')`,
  )
  t.equal((await wire.call(json.sessionId, 'GET', '/session')).status, 401)
})

t.test('a key that looks like a session is a key', async t => {
  const key = '0a4f2d3e-88a1-4a6c-9d0f-b3a1c2d4e5f6'
  await service.services.keys.ensureFirst(key)
  t.match((await wire.call(key, 'GET', '/session')).json, { sessionType: 'PartnerKey' })
})

t.test('the routes here have given every status that they name, bodies too large or of no type aside', t => {
  const missing = namedAnswers().filter(
    answer => / \/(session|sign)/.test(answer) && !wire.seen.has(answer) && !/ 41[35]$/.test(answer),
  )
  t.same(missing, [])
  t.end()
})
