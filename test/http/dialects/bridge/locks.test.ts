import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Database } from '../../../../src/database/database.ts'
import { LockRepository } from '../../../../src/database/lock-repository.ts'
import { LockService } from '../../../../src/locks/lock-service.ts'
import { expire, faults, POOL_SETTINGS } from '../../../support/database.ts'
import { connectedTo } from '../../../support/scratch-database.ts'
import { untilWaiting } from '../../../support/waiting.ts'
import { startService } from '../../service.ts'
import { type Bridge, DECLARED, LOCKABLES, startBridge, UUID } from './bridge.ts'

/** Every row of the vendor's page, for both kinds of things that it locks. */

const service = await startBridge(t)
const { alice, bob, viewer, admin, stranger } = service.bridgeKeys
const { ask } = service

let lastId = 100
const pathOf = (folder: string, id: number | string = ++lastId) => `${folder}/${id}/lock`

async function locked(of: Bridge, path: string, key: string): Promise<string> {
  const { status, json, text } = await of.ask('POST', path, { key })
  if (status !== 200) throw new Error(text)
  return json.lock.id
}

async function left(of: Bridge, path: string): Promise<number | undefined> {
  const { json } = await of.ask('GET', path, { key: of.bridgeKeys.viewer })
  return json.lock?.expires_in
}

/** Lets time pass for every lock. */
async function pass(of: Bridge, seconds: number): Promise<void> {
  await of.stores.sql(
    `update sessions set started = started - $1 * interval '1 s', last_touch = last_touch - $1 * interval '1 s',
       expires_at = expires_at - $1 * interval '1 s'`,
    [seconds],
  )
}

for (const { path: folder, type } of LOCKABLES) {
  t.test(`the vendor's example of a look at a ${type} comes back`, async t => {
    const path = pathOf(folder, 10)
    await locked(service, path, alice)
    const { status, text } = await ask('GET', path, { key: bob })
    t.equal(status, 200)
    const number = await service.services.users.numberOf('alice')
    t.equal(
      text,
      `{"lock":{"lockable_id":10,"lockable_type":"${type}","holder_id":"${number}","expires_in":900}}`,
    )
  })

  t.test(`the vendor's example of a new lock on a ${type} comes back`, async t => {
    const { status, text, json } = await ask('POST', pathOf(folder, 11), { key: alice })
    t.equal(status, 200)
    const { id, updated_at: updatedAt } = json.lock
    const number = await service.services.users.numberOf('alice')
    t.equal(
      text,
      `{"lock":{"id":"${id}","lockable_id":11,"lockable_type":"${type}","holder_id":"${number}","updated_at":"${updatedAt}"}}`,
    )
    t.match(id, UUID)
    t.match(updatedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/)
    const [lock] = await service.stores.sql<{ lock_time: Date }>(
      'select lock_time from locks where session_id = $1',
      [id],
    )
    t.equal(Date.parse(updatedAt), lock?.lock_time.getTime(), 'it is the time of the lock')
  })

  t.test(`a ${type} that is not locked is 404 to a look, whether or not it was ever heard of`, async t => {
    const path = pathOf(folder)
    t.equal((await ask('GET', path, { key: alice })).status, 404)
    const lockId = await locked(service, path, alice)
    await ask('DELETE', path, { key: alice, lockId })
    const { status, text } = await ask('GET', path, { key: alice })
    t.equal(status, 404)
    t.equal(text, `{"errors":[{"message":"${type} ${lastId} is not locked"}]}`)
  })

  t.test(`a ${type} that somebody else has locked is 409`, async t => {
    const path = pathOf(folder)
    const lockId = await locked(service, path, alice)
    const { status, text } = await ask('POST', path, { key: bob })
    t.equal(status, 409)
    t.equal(text, `{"errors":[{"message":"${type} ${lastId} is locked by alice"}]}`)
    t.equal(
      (await ask('PUT', path, { key: alice, lockId })).status,
      204,
      'and nothing changed for the holder',
    )
  })

  t.test(`a renewed lock on a ${type} has all of its time again`, async t => {
    const path = pathOf(folder)
    const lockId = await locked(service, path, alice)
    await pass(service, 600)
    t.ok(Number(await left(service, path)) <= 300)
    t.equal((await ask('PUT', path, { key: alice, lockId })).status, 204)
    t.ok(Number(await left(service, path)) > 800)
    await pass(service, 600)
    t.equal(
      (await ask('PUT', path, { key: alice, lockId })).status,
      204,
      'beyond the end that it had at first',
    )
  })

  t.test(`a released ${type} is free, and a release cannot be repeated`, async t => {
    const path = pathOf(folder)
    const lockId = await locked(service, path, alice)
    t.equal((await ask('DELETE', path, { key: alice, lockId })).status, 204)
    t.equal((await ask('DELETE', path, { key: alice, lockId })).status, 409)
    await locked(service, path, bob)
    t.equal((await ask('DELETE', path, { key: alice, lockId })).status, 409)
  })

  t.test(`an expired lock on a ${type} is free at once, and its id is 409`, async t => {
    const path = pathOf(folder)
    const lockId = await locked(service, path, alice)
    await expire(service.stores, lockId)
    t.equal((await ask('GET', path, { key: alice })).status, 404)
    t.equal((await ask('PUT', path, { key: alice, lockId })).status, 409, 'it is never revived')
    t.equal((await ask('DELETE', path, { key: alice, lockId })).status, 409)
    await locked(service, path, bob)
    t.equal((await ask('PUT', path, { key: alice, lockId })).status, 409)
    t.equal((await ask('DELETE', path, { key: alice, lockId })).status, 409)
    t.equal((await ask('GET', path, { key: alice })).status, 200)
  })

  t.test(`a holder who locks a ${type} again gets a new id, and the old one is 409`, async t => {
    const path = pathOf(folder)
    const first = await locked(service, path, alice)
    await pass(service, 600)
    const second = await locked(service, path, alice)
    t.not(second, first)
    t.equal(await left(service, path), 900)
    t.equal((await ask('PUT', path, { key: alice, lockId: first })).status, 409)
    t.equal((await ask('DELETE', path, { key: alice, lockId: first })).status, 409)
    t.equal((await ask('PUT', path, { key: alice, lockId: second })).status, 204)
    t.equal((await ask('DELETE', path, { key: alice, lockId: second })).status, 204)
  })

  for (const method of ['PUT', 'DELETE']) {
    t.test(`${method} on a ${type} wants the id of the lock in X-Lock-Id`, async t => {
      const path = pathOf(folder)
      const lockId = await locked(service, path, alice)
      const missing = await ask(method, path, { key: alice })
      t.equal(missing.status, 422)
      t.match(missing.json.errors, [{ message: 'the header X-Lock-Id is missing: send the id of the lock' }])
      for (const wrong of [
        '',
        '1',
        `${lockId}0`,
        `{${lockId}}`,
        `${lockId}, ${lockId}`,
        lockId.replaceAll('-', ''),
      ]) {
        const answer = await ask(method, path, { key: alice, lockId: wrong })
        t.equal(answer.status, 422, JSON.stringify(wrong))
      }
      const unlocked = pathOf(folder)
      for (const [name, on, wrong] of [
        ['no lock at all', unlocked, randomUUID()],
        ['another resource', unlocked, lockId],
        ['a lock that never was', path, randomUUID()],
      ] as const) {
        const { status, text } = await ask(method, on, { key: alice, lockId: wrong })
        t.equal(status, 409, name)
        t.match(text, /has no lock with this id/)
      }
      t.equal((await ask(method, path, { key: bob, lockId: randomUUID() })).status, 409)
      t.equal((await ask(method, path, { key: alice, lockId: lockId.toUpperCase() })).status, 204)
    })

    t.test(
      `${method} on a ${type} with the id of somebody else's lock is 403, for an administrator too`,
      async t => {
        const path = pathOf(folder)
        const lockId = await locked(service, path, alice)
        for (const key of [bob, admin]) t.equal((await ask(method, path, { key, lockId })).status, 403)
        t.equal((await ask(method, path, { key: alice, lockId })).status, 204)
      },
    )
  }

  t.test(`a role that may only look is 403 wherever it would change a ${type}`, async t => {
    const path = pathOf(folder)
    const lockId = await locked(service, path, alice)
    for (const method of ['POST', 'PUT', 'DELETE']) {
      t.equal((await ask(method, path, { key: viewer, lockId })).status, 403, method)
      t.equal((await ask(method, path, { key: viewer })).status, 403, `${method} without an id`)
    }
    t.equal((await ask('GET', path, { key: viewer })).status, 200)
  })

  t.test(`a key of another namespace is 403 for every call on a ${type}`, async t => {
    const path = pathOf(folder)
    const lockId = await locked(service, path, alice)
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      t.equal((await ask(method, path, { key: stranger, lockId })).status, 403, method)
      t.equal(
        (await ask(method, pathOf(folder), { key: stranger, lockId })).status,
        403,
        `${method}, unlocked`,
      )
      t.equal((await ask(method, pathOf(folder, 'x'), { key: stranger })).status, 403, `${method}, malformed`)
    }
  })

  t.test(`bad credentials are 401 for every call on a ${type}`, async t => {
    const path = pathOf(folder)
    const lockId = await locked(service, path, alice)
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      for (const authorization of [
        undefined,
        'Bearer no-such-key',
        basic(`bob:${alice}`),
        basic(alice),
        'Basic =',
      ]) {
        const headers = authorization === undefined ? {} : { authorization }
        const answer = await ask(method, path, { lockId, headers })
        t.equal(answer.status, 401, `${method} ${authorization}`)
        t.match(answer.headers.get('www-authenticate'), /Basic realm=/)
      }
    }
    t.equal(
      (await ask('PUT', path, { lockId, headers: { authorization: basic(`alice:${alice}`) } })).status,
      204,
    )
  })

  t.test(`what is no id of a ${type} is 404 to a look and 422 to the rest`, async t => {
    const lockId = randomUUID()
    for (const id of [
      '0',
      '010',
      '-1',
      '+1',
      '1.0',
      '1e2',
      'x',
      '%20',
      '10%20',
      '٣',
      `${2n ** 63n}`,
      '9'.repeat(200),
    ]) {
      const path = pathOf(folder, encodeURI(decodeURI(id)))
      t.equal((await ask('GET', path, { key: alice })).status, 404, id)
      for (const method of ['POST', 'PUT', 'DELETE']) {
        t.equal((await ask(method, path, { key: alice, lockId })).status, 422, `${method} ${id}`)
      }
    }
  })

  t.test(`an id of a ${type} beyond what a number can hold is text in answers`, async t => {
    const exact = await ask('POST', pathOf(folder, `${Number.MAX_SAFE_INTEGER}`), { key: alice })
    t.equal(exact.json.lock.lockable_id, Number.MAX_SAFE_INTEGER)
    const largest = `${2n ** 63n - 1n}`
    const beyond = await ask('POST', pathOf(folder, largest), { key: alice })
    t.equal(beyond.json.lock.lockable_id, largest)
    t.equal((await ask('GET', pathOf(folder, largest), { key: bob })).json.lock.lockable_id, largest)
  })
}

t.test('a course template and a task with the same number are two things', async t => {
  const [template, task] = LOCKABLES.map(({ path }) => pathOf(path, 7))
  const lockId = await locked(service, template ?? '', alice)
  t.equal((await ask('GET', task ?? '', { key: alice })).status, 404)
  t.equal((await ask('PUT', task ?? '', { key: alice, lockId })).status, 409)
  await locked(service, task ?? '', bob)
})

t.test('every answer that the routes declare was seen', async t => {
  t.same(
    DECLARED.filter(row => !service.answered.has(row)),
    [],
  )
  t.same(
    [...service.answered].filter(row => !DECLARED.includes(row)),
    [],
    'and no other',
  )
})

t.test('where holders are refused, a second lock is 409 until the first one ends', async t => {
  const strict = await startBridge(t, { refusesHolder: true })
  const keys = strict.bridgeKeys
  const path = pathOf(LOCKABLES[0].path)
  const first = await locked(strict, path, keys.alice)
  t.equal((await strict.ask('POST', path, { key: keys.alice })).status, 409)
  t.equal((await strict.ask('PUT', path, { key: keys.alice, lockId: first })).status, 204)
  await expire(strict.stores, first)
  const second = await locked(strict, path, keys.alice)
  t.equal((await strict.ask('DELETE', path, { key: keys.alice, lockId: second })).status, 204)
  await locked(strict, path, keys.alice)
})

t.test('the namespace and the time of a lock are settings', async t => {
  const other = await startBridge(t, { namespace: 'DEFAULT/REST', lockSeconds: 60 })
  const path = pathOf(LOCKABLES[0].path, 12)
  await locked(other, path, other.bridgeKeys.alice)
  t.equal(await left(other, path), 60)
  const listed = await other.call('GET', '/v1/namespaces/DEFAULT%2FREST/locks', { key: other.keys.viewer })
  t.match(listed.json.locks, [{ holder: 'alice', resource: { type: 'CourseTemplate', id: '12' } }])
})

t.test('in a closed namespace an unknown course template is 404 to a look and 422 to a lock', async t => {
  const closed = await startBridge(t)
  const { key, alice } = { key: closed.bridgeKeys.admin, alice: closed.bridgeKeys.alice }
  await closed.call('PUT', '/v1/namespaces/bridge/resources/CourseTemplate/1', { key, body: {} })
  await closed.call('PUT', '/v1/namespaces/bridge', { key, body: { closed: true } })
  const known = pathOf(LOCKABLES[0].path, 1)
  const unknown = pathOf(LOCKABLES[0].path, 2)
  t.equal((await closed.ask('POST', known, { key: alice })).status, 200)
  t.equal((await closed.ask('GET', unknown, { key: alice })).status, 404)
  const { status, text } = await closed.ask('POST', unknown, { key: alice })
  t.equal(status, 422)
  t.equal(text, '{"errors":[{"message":"there is no CourseTemplate 2"}]}')
  for (const method of ['PUT', 'DELETE']) {
    t.equal((await closed.ask(method, unknown, { key: alice, lockId: randomUUID() })).status, 409)
  }
})

t.test('a lock of our own API is shown, refused, and renewed and released under its session', async t => {
  const path = pathOf(LOCKABLES[1].path)
  const taken = await service.call('POST', '/v1/namespaces/bridge/locks', {
    key: bob,
    body: { resources: [{ type: 'Task', id: `${lastId}` }], ttl: null, session: randomUUID() },
  })
  const [lock] = taken.json.locks
  const number = await service.services.users.numberOf('bob')
  t.same((await ask('GET', path, { key: alice })).json, {
    lock: { lockable_id: lastId, lockable_type: 'Task', holder_id: `${number}`, expires_in: null },
  })
  t.equal((await ask('POST', path, { key: alice })).status, 409)
  t.equal((await ask('PUT', path, { key: alice, lockId: lock.session })).status, 403)
  t.equal((await ask('PUT', path, { key: bob, lockId: lock.session })).status, 204)
  t.equal((await ask('DELETE', path, { key: bob, lockId: lock.session })).status, 204)
  t.equal((await service.call('GET', `/v1/namespaces/bridge/locks/${lock.id}`, { key: bob })).status, 404)
})

t.test('the resource types are settings; answers have the types of this API', async t => {
  const mapped = await startBridge(t, { courseTemplateType: 'requirement', taskType: 'defect' })
  const { alice: key, bob: other, admin: root } = mapped.bridgeKeys
  const types = { CourseTemplate: 'requirement', Task: 'defect' }
  for (const { path: folder, type } of LOCKABLES) {
    const path = pathOf(folder, 7)
    const granted = await mapped.ask('POST', path, { key })
    t.match(granted, { status: 200, json: { lock: { lockable_id: 7, lockable_type: type } } })
    const seen = await mapped.ask('GET', path, { key: other })
    t.match(seen, { status: 200, json: { lock: { lockable_id: 7, lockable_type: type } } })
    const refused = await mapped.ask('POST', path, { key: other })
    t.match(refused, { status: 409, json: { errors: [{ message: `${type} 7 is locked by alice` }] } })
    const listed = await mapped.call('GET', `/v1/namespaces/bridge/locks?type=${types[type]}`, { key })
    t.match(listed.json.locks, [{ holder: 'alice', resource: { type: types[type], id: '7' } }])
    const lockId = granted.json.lock.id
    t.equal((await mapped.ask('PUT', path, { key, lockId })).status, 204)
    t.equal((await mapped.ask('DELETE', path, { key, lockId })).status, 204)
    const gone = await mapped.ask('GET', path, { key })
    t.match(gone, { status: 404, json: { errors: [{ message: `${type} 7 is not locked` }] } })
    const late = await mapped.ask('PUT', path, { key, lockId })
    t.match(late.json.errors, [{ message: new RegExp(`^${type} 7 has no lock with this id`) }])
  }
  const own = await mapped.call('POST', '/v1/namespaces/bridge/locks', {
    key,
    body: { resources: [{ type: 'Task', id: '8' }] },
  })
  t.equal(own.status, 201)
  t.equal((await mapped.ask('POST', pathOf(LOCKABLES[1].path, 8), { key: other })).status, 200, 'no task now')
  await mapped.call('PUT', '/v1/namespaces/bridge', { key: root, body: { closed: true } })
  const unknown = await mapped.ask('POST', pathOf(LOCKABLES[1].path, 9), { key })
  t.match(unknown, { status: 422, json: { errors: [{ message: 'there is no Task 9' }] } })
})

t.test('a lock that goes between the look and the change is 409', async t => {
  for (const method of ['PUT', 'DELETE']) {
    const path = pathOf(LOCKABLES[0].path)
    const lockId = await locked(service, path, alice)
    const other = await connectedTo(t, service.stores.url, 'leasehold')
    await other.query('begin')
    await other.query('delete from locks where session_id = $1', [lockId])
    const asking = ask(method, path, { key: alice, lockId })
    await untilWaiting(service.stores, 1)
    await other.query('commit')
    t.equal((await asking).status, 409, method)
  }
})

t.test('trouble of the database is 503 or 504 in the form of this API, and never an answer', async t => {
  const nowhere = new Database({ ...POOL_SETTINGS, url: 'postgres://x@127.0.0.1:1/x' }, 'leasehold')
  t.teardown(() => nowhere.close())
  const locks = new LockService(new LockRepository(nowhere, { retried() {} }), () => {})
  const cut = await startBridge(t, {}, { locks })
  const slow = await startBridge(t, {}, { stores: { lockTimeoutMs: 50, statementTimeoutMs: 300 } })
  const path = pathOf(LOCKABLES[0].path)
  // keys are remembered, so that it is the locks that cannot be reached
  await slow.ask('GET', path, { key: slow.bridgeKeys.alice })
  const other = await connectedTo(t, slow.stores.url)
  await other.query('begin')
  await other.query('lock table leasehold.sessions, leasehold.locks in access exclusive mode')
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const question = { lockId: randomUUID() }
    const gone = await cut.ask(method, path, { ...question, key: cut.bridgeKeys.alice })
    t.equal(gone.status, 503, method)
    t.equal(gone.headers.get('retry-after'), '1')
    const late = await slow.ask(method, path, { ...question, key: slow.bridgeKeys.alice })
    t.equal(late.status, 504, method)
    t.match(late.json.errors, [{ message: /nothing was changed/ }])
  }
  await other.query('rollback')
})

t.test('switched off, its paths are a plain 404', async t => {
  const off = await startService(t, { dialects: {} })
  for (const { path } of LOCKABLES) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      const { status, headers, json } = await off.call(method, pathOf(path), { key: off.keys.admin })
      t.equal(status, 404)
      t.equal(headers.get('content-type'), 'application/problem+json')
      t.equal(json.code, 'not_found')
    }
  }
})

t.test('no call left anything that may not be', async t => {
  t.same(await faults(service.stores), [])
})
