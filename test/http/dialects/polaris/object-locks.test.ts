import t from 'tap'
import { expire } from '../../../support/database.ts'
import { startService } from '../../service.ts'
import { basic, DECLARED, locksAt, PolarisClient, polarisSettings, SIGN_IN } from './client.ts'

const LOCK_EXCEPTION = "Exception of type 'Polaris.Common.Exceptions.PolarisObjectLockException' was thrown."
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d\d?[1-9]|\.[1-9])?\+00:00$/

/** The text of an answer with times and numbers of users replaced, which differ from run to run. */
function shape(text: string): string {
  return text
    .replaceAll(/"LockDate":"[^"]+"/g, '"LockDate":"?"')
    .replaceAll(/"PolarisUserID":[1-9]\d*/g, '"PolarisUserID":1')
}

t.test('the calls of the API', async t => {
  const service = await startService(t)
  const client = new PolarisClient(service)
  const alice = await client.workstation('alice', 15)
  const bob = await client.workstation('bob', 16)
  const viewer = await client.workstation('victor', 17, 'viewer')
  const stranger = await client.workstation('strange', 18, 'locker', 'elsewhere')

  await t.test('POST locks an object, and says by ExistingLock whether it was held already', async t => {
    const first = await alice.lock(27, 29937)
    t.equal(first.status, 200)
    t.equal(first.headers.get('content-type'), 'application/json')
    t.equal(
      shape(first.text),
      '{"ExistingLock":false,"ObjectTypeID":27,"ObjectID":29937,"PolarisUserID":1,"WorkstationID":15,' +
        '"LockDate":"?","LockExistsInDatabase":true}',
    )
    t.match(first.json.LockDate, DATE)
    const again = await alice.lock(27, 29937)
    t.equal(again.status, 200)
    t.same(again.json, { ...first.json, ExistingLock: true }, 'with the date of the first call')
    t.same((await alice.look(27, 29937)).json.LockDate, first.json.LockDate)
  })

  await t.test('POST of a locked object is 409 with the lock of the other', async t => {
    await alice.lock(3, 2655)
    const refused = await bob.lock(3, 2655)
    t.equal(refused.status, 409)
    t.equal(
      shape(refused.text),
      `{"ErrorCode":70000,"Message":"${LOCK_EXCEPTION}","MessageDetail":null,"StackTrace":null,` +
        '"InnerException":null,"Data":{"ObjectTypeID":3,"ObjectID":2655,"PolarisUserID":1,"WorkstationID":15,' +
        '"LockDate":"?","PolarisUserName":"alice","WorkstationName":"15"}}',
    )
    t.equal(
      refused.json.Data.PolarisUserID,
      await service.services.users.numberOf('alice'),
      'the number of the user',
    )
  })

  await t.test('the same user at another workstation is somebody else', async t => {
    const elsewhere = await client.workstation('alice', 19)
    await alice.lock(27, 1)
    const refused = await elsewhere.lock(27, 1)
    t.match(refused, { status: 409, json: { Data: { PolarisUserName: 'alice', WorkstationID: 15 } } })
    t.equal((await elsewhere.unlock(27, 1)).status, 409)
    t.equal((await alice.lock(27, 1)).json.ExistingLock, true)
  })

  await t.test('two sign-ins of one user at one workstation hold the same locks', async t => {
    const again = await client.workstation('alice', 15)
    await alice.lock(27, 2)
    t.equal((await again.lock(27, 2)).json.ExistingLock, true)
    t.equal((await again.unlock(27, 2)).status, 200)
    t.equal((await alice.look(27, 2)).status, 404)
  })

  await t.test('POST of an array locks all of them, in the order of the array', async t => {
    const first = await alice.lockMany(3, [847, 2395843])
    t.equal(first.status, 200)
    const one = (id: number, existing: boolean) =>
      `{"ObjectTypeID":3,"ObjectID":${id},"PolarisUserID":1,"WorkstationID":15,"LockDate":"?",` +
      `"PolarisUserName":"alice","WorkstationName":"15","ExistingLock":${existing},"LockExistsInDatabase":true}`
    t.equal(shape(first.text), `[${one(847, false)},${one(2395843, false)}]`)
    const second = await alice.lockMany(3, [4972, 847, 4972])
    t.equal(shape(second.text), `[${one(4972, false)},${one(847, true)}]`, 'one that is named twice is one')
  })

  await t.test('of many, none is locked where one is refused, and the first refused one is told', async t => {
    await alice.lockMany(5, [1, 2, 3])
    const refused = await bob.lockMany(5, [9, 3, 1, 2])
    t.match(refused, { status: 409, json: { ErrorCode: 70000, Data: { ObjectTypeID: 5, ObjectID: 3 } } })
    t.equal((await bob.look(5, 9)).status, 404)
  })

  await t.test('GET lists the locks of the user and workstation', async t => {
    const carol = await client.workstation('carol', 15)
    const elsewhere = await client.workstation(carol, 16)
    t.same((await carol.own()).json, [])
    await carol.lock(3, 9945830)
    await carol.lock(42, 787713)
    await elsewhere.lock(28, 817985)
    const own = await carol.own()
    t.equal(own.status, 200)
    const one = (type: number, id: number) =>
      `{"ObjectTypeID":${type},"ObjectID":${id},"PolarisUserID":1,"WorkstationID":15,"LockDate":"?",` +
      '"PolarisUserName":"carol","WorkstationName":"15","ExistingLock":false,"StaffEmail":"",' +
      '"LockExistsInDatabase":false}'
    t.equal(shape(own.text), `[${one(3, 9945830)},${one(42, 787713)}]`)
  })

  await t.test('GET with getAllLocks=true lists those of everybody, also to a viewer', async t => {
    const all = await viewer.all()
    t.equal(all.status, 200)
    const names = new Set(all.json.map((lock: { PolarisUserName: string }) => lock.PolarisUserName))
    t.ok(names.has('alice') && names.has('carol'))
    t.same((await viewer.send('GET', '?GETALLLOCKS=True&_=123')).json, all.json, 'in any case')
    t.same((await viewer.send('GET', '?getAllLocks=false')).json, [], 'false: the own ones')
    t.equal((await viewer.send('GET', '?getAllLocks=maybe')).status, 400)
    t.equal((await viewer.send('GET', '?getAllLocks=true&getalllocks=false')).status, 400)
  })

  await t.test('GET of one tells who holds it, or 404', async t => {
    await alice.lock(1, 10)
    const held = await bob.look(1, 10)
    t.equal(held.status, 200)
    t.equal(
      shape(held.text),
      '{"ObjectTypeID":1,"ObjectID":10,"PolarisUserID":1,"WorkstationID":15,"LockDate":"?"}',
    )
    const free = await bob.look(1, 11)
    t.equal(free.status, 404)
    t.same(free.json, {
      ErrorCode: 404,
      Message: 'the object 11 of type 1 is not locked',
      MessageDetail: null,
      StackTrace: null,
      InnerException: null,
      Data: null,
    })
  })

  await t.test('DELETE releases, also what is not locked; 409 is for the lock of another', async t => {
    await alice.lock(8, 1)
    const refused = await bob.unlock(8, 1)
    t.match(refused, {
      status: 409,
      json: {
        ErrorCode: 70000,
        Message: LOCK_EXCEPTION,
        Data: { ObjectTypeID: 8, PolarisUserName: 'alice' },
      },
    })
    const released = await alice.unlock(8, 1)
    t.equal(released.status, 200)
    t.equal(released.text, '')
    t.equal((await alice.look(8, 1)).status, 404)
    t.equal((await alice.unlock(8, 1)).status, 200)
    t.equal((await bob.unlock(8, 1)).status, 200)
  })

  await t.test('DELETE of all releases those of the user and workstation, and no other', async t => {
    const dora = await client.workstation('dora', 15)
    const elsewhere = await client.workstation(dora, 16)
    await dora.lockMany(9, [1, 2, 3])
    await elsewhere.lock(9, 4)
    await bob.lock(9, 5)
    const released = await dora.unlockAll()
    t.equal(released.status, 200)
    t.equal(released.text, '')
    t.same((await dora.own()).json, [])
    t.equal((await dora.look(9, 4)).status, 200)
    t.equal((await dora.look(9, 5)).status, 200)
    t.equal((await dora.unlockAll()).status, 200, 'also where there is none')
  })

  await t.test('many means up to 1,000', async t => {
    const ids = Array.from({ length: 1001 }, (_, index) => index + 1)
    t.equal((await bob.lockMany(22, ids)).status, 400)
    const locked = await bob.lockMany(22, ids.slice(1))
    t.equal(locked.status, 200)
    t.equal(locked.json.length, 1000)
    t.equal((await bob.lock(22, 1)).status, 200)
    const own = await bob.own()
    t.ok(own.json.length > 1000, 'a list has no end')
    t.equal((await bob.unlockAll()).status, 200)
    t.same((await bob.own()).json, [])
  })

  await t.test('a lock of another API is seen and refused here', async t => {
    const path = '/v1/namespaces/polaris/locks'
    const key = await client.keyOf('eve')
    const taken = await service.call('POST', path, {
      key,
      body: { resources: [{ type: '27', id: '500' }], client: 'Front desk' },
    })
    t.equal(taken.status, 201)
    t.match(await alice.lock(27, 500), {
      status: 409,
      json: { Data: { PolarisUserName: 'eve', WorkstationID: 0, WorkstationName: 'Front desk' } },
    })
    await service.call('POST', path, { key, body: { resources: [{ type: '27', id: '501' }] } })
    t.match((await alice.lock(27, 501)).json.Data, { WorkstationID: 0, WorkstationName: '' })
    await service.call('POST', path, { key, body: { resources: [{ type: '27', id: '502' }], client: '077' } })
    t.match((await alice.lock(27, 502)).json.Data, { WorkstationID: 0, WorkstationName: '077' })
    await service.call('POST', path, { key, body: { resources: [{ type: '27', id: '503' }], client: '15' } })
    t.match((await alice.lock(27, 503)).json.Data, { WorkstationID: 15, WorkstationName: '15' })
    for (const [type, id] of [
      ['027', '504'],
      ['27', '0505'],
      ['Patron', '506'],
      ['27', '0'],
      ['27', '4294967296'],
    ]) {
      const other = await service.call('POST', path, { key, body: { resources: [{ type, id }] } })
      t.equal(other.status, 201)
    }
    const mine = (await alice.all()).json.filter((lock: { PolarisUserName: string }) => {
      return lock.PolarisUserName === 'eve'
    })
    t.same(
      mine.map((lock: { ObjectID: number }) => lock.ObjectID),
      [500, 501, 502, 503],
      'what is no number is not listed',
    )
  })

  await t.test('a lock that was taken here is one in /v1', async t => {
    await alice.lock(30, 1144)
    const listed = await service.call('GET', '/v1/namespaces/polaris/locks?type=30', {
      key: await client.keyOf('eve'),
    })
    t.match(listed.json.locks, [
      { resource: { type: '30', id: '1144' }, holder: 'alice', client: '15', expires_at: null },
    ])
  })

  await t.test('bad numbers are 400, in the body and in the path', async t => {
    const bodies = [
      {},
      [],
      'x',
      { ObjectTypeID: 27 },
      { ObjectTypeID: 27, ObjectID: 0 },
      { ObjectTypeID: 27, ObjectID: -1 },
      { ObjectTypeID: 27, ObjectID: 1.5 },
      { ObjectTypeID: 27, ObjectID: '1' },
      { ObjectTypeID: null, ObjectID: 1 },
      { ObjectTypeID: 27, ObjectID: 2 ** 31 },
      { ObjectTypeID: 27, ObjectID: 1, objectid: 2 },
    ]
    for (const body of bodies) {
      const answer = await alice.send('POST', '', { body })
      t.match(answer, { status: 400, json: { ErrorCode: 400, Data: null } }, JSON.stringify(body))
    }
    for (const body of [[], [0], [1.5], ['1'], [null], { ObjectID: 1 }]) {
      t.equal((await alice.send('POST', '/27', { body })).status, 400, JSON.stringify(body))
    }
    for (const path of ['/0/1', '/27/0', '/x/1', '/27/x', '/27/-1', '/27/1.5', '/2147483648/1', '/27/%2B1']) {
      t.equal((await alice.send('GET', path)).status, 400, path)
      t.equal((await alice.send('DELETE', path)).status, 400, path)
    }
    t.equal((await alice.send('POST', '/x', { body: [1] })).status, 400)
    const named = await alice.send('POST', '', { body: { ObjectTypeID: 27 } })
    t.equal(named.json.Message, 'ObjectID is required')
    t.equal(named.json.MessageDetail, 'ObjectID is required')
  })

  await t.test('names of fields in lower case are understood, and other fields ignored', async t => {
    const answer = await alice.send('POST', '', {
      body: { objecttypeid: 11, objectid: 12, ExistingLock: true },
    })
    t.match(answer, { status: 200, json: { ObjectTypeID: 11, ObjectID: 12, ExistingLock: false } })
  })

  await t.test('zeros ahead of a number make no other object', async t => {
    await alice.lock(12, 7)
    t.equal((await bob.send('POST', '/012', { body: [7] })).status, 409)
    t.equal((await bob.send('GET', '/012/007')).status, 200)
    const sameDesk = await client.call('GET', `${locksAt('0015')}/12/7`, { headers: auth(alice) })
    t.equal(sameDesk.json.WorkstationID, 15)
    const own = await client.call('POST', `${locksAt('0015')}`, {
      headers: auth(alice),
      body: { ObjectTypeID: 12, ObjectID: 7 },
    })
    t.equal(own.json.ExistingLock, true)
  })

  await t.test('every call wants a sign-in, in the words of the API', async t => {
    for (const [method, path, body] of CALLS) {
      const headers: Record<string, string>[] = [
        {},
        basic('alice', await client.keyOf('alice')),
        { authorization: `PAS polaris:${alice.token}` },
        { authorization: `PAS polaris:${alice.token}:${bob.secret}` },
        { authorization: `PAS polaris:${'0'.repeat(32)}:${'0'.repeat(16)}` },
        { authorization: 'Bearer nothing' },
      ]
      for (const header of headers) {
        const answer = await client.call(method, locksAt(15) + path, { headers: header, body })
        t.match(
          answer,
          { status: 401, json: { ErrorCode: 401, StackTrace: null, Data: null } },
          `${method} ${path} ${JSON.stringify(header)}`,
        )
        t.match(answer.headers.get('www-authenticate'), /^PAS realm=/)
      }
    }
  })

  await t.test('a key may be shown as a Bearer token', async t => {
    const headers = { authorization: `Bearer ${await client.keyOf('alice')}` }
    await alice.lock(14, 1)
    const again = await client.call('POST', locksAt(15), { headers, body: { ObjectTypeID: 14, ObjectID: 1 } })
    t.equal(again.json.ExistingLock, true)
  })

  await t.test('a key of another namespace gets nothing, and a viewer changes nothing', async t => {
    await alice.lock(27, 77)
    for (const [method, path, body] of CALLS) {
      const foreign = await stranger.send(method, path, { body })
      t.match(foreign, { status: 403, json: { ErrorCode: 403, Data: null } }, `${method} ${path}`)
      const viewed = await viewer.send(method, path, { body })
      t.equal(viewed.status, method === 'GET' ? 200 : 403, `${method} ${path} by a viewer`)
    }
    t.equal((await alice.lock(27, 77)).json.ExistingLock, true)
  })

  await t.test('an administrator has no rights beyond those of a user', async t => {
    const admin = await client.workstation('chief', 15, 'admin')
    await alice.lock(27, 78)
    t.equal((await admin.lock(27, 78)).status, 409)
    t.equal((await admin.unlock(27, 78)).status, 409)
  })

  await t.test('version, language, product, site, organization and workstation are looked at', async t => {
    const at = (path: string) =>
      client.call('GET', `/Polaris.ApplicationServices/api/${path}/objectlocks`, { headers: auth(alice) })
    for (const [path, status] of [
      ['v1/eng/20/polaris/73/1', 200],
      ['V1/ENG/0/Main-Library/0/1', 200],
      ['v1/haw/24/polaris/73/1', 200],
      ['v2/eng/20/polaris/73/1', 404],
      ['v1/ger/20/polaris/73/1', 400],
      ['v1/eng/25/polaris/73/1', 400],
      ['v1/eng/x/polaris/73/1', 400],
      ['v1/eng/20/po%20laris/73/1', 400],
      ['v1/eng/20/polaris/x/1', 400],
      ['v1/eng/20/polaris/73/0', 400],
      ['v1/eng/20/polaris/73/x', 400],
      ['v1/eng/20/polaris/73/2147483648', 400],
    ] as const) {
      t.equal((await at(path)).status, status, path)
    }
    for (const [method, path, body] of CALLS) {
      const wrong = locksAt(15).replace('/v1/', '/v2/') + path
      t.equal((await client.call(method, wrong, { headers: auth(alice), body })).status, 404)
      t.equal((await client.call(method, locksAt('x') + path, { headers: auth(alice), body })).status, 400)
    }
  })

  await t.test('paths are the same in upper and lower case', async t => {
    await alice.lock(27, 79)
    for (const path of [`${locksAt(15)}/27/79`.toUpperCase(), `${locksAt(15)}/27/79`.toLowerCase()]) {
      t.equal((await client.call('GET', path, { headers: auth(alice) })).status, 200, path)
    }
  })

  await t.test('a closed namespace has only the objects of its catalogue', async t => {
    await alice.unlockAll()
    await bob.unlockAll()
    const key = service.keys.admin
    const put = (path: string, body: object) =>
      service.call('PUT', `/v1/namespaces/polaris${path}`, { key, body })
    t.ok((await put('/resources/27/1', {})).status < 300)
    t.ok((await put('', { closed: true })).status < 300)
    t.equal((await alice.lock(27, 1)).status, 200)
    t.match(await alice.lock(27, 2), {
      status: 404,
      json: { ErrorCode: 404, Message: 'there is no object 2 of type 27' },
    })
    t.equal((await alice.lockMany(27, [1, 2])).status, 404)
    t.ok((await put('', { closed: false })).status < 300)
  })

  await t.test('what cannot be read is refused in the same form', async t => {
    for (const [path, body] of [
      ['', `{"ObjectTypeID":27,"ObjectID":1,"Comment":"${'x'.repeat(70_000)}"}`],
      ['/27', `[1${' '.repeat(70_000)}]`],
    ] as const) {
      const large = await raw(
        client,
        'POST',
        locksAt(15) + path,
        alice.authorization,
        'application/json',
        body,
      )
      t.match(large, { status: 413, json: { ErrorCode: 413 } })
      const xml = await raw(
        client,
        'POST',
        locksAt(15) + path,
        alice.authorization,
        'application/xml',
        '<a/>',
      )
      t.match(xml, { status: 415, json: { ErrorCode: 415 } })
      const broken = await raw(
        client,
        'POST',
        locksAt(15) + path,
        alice.authorization,
        'application/json',
        '{',
      )
      t.match(broken, { status: 400, json: { ErrorCode: 400 } })
    }
    t.match(await alice.send('PUT', '/27/1', { body: {} }), { status: 405, json: { ErrorCode: 405 } })
    t.match(await client.call('GET', '/polaris.applicationservices/api/v1/nothing'), {
      status: 404,
      json: { ErrorCode: 404, InnerException: null },
    })
  })

  await t.test('text/json is read, and written for whoever asks for it', async t => {
    const body = '{"ObjectTypeID":33,"ObjectID":1}'
    const answer = await fetch(service.url + locksAt(15), {
      method: 'POST',
      headers: { authorization: alice.authorization, 'content-type': 'text/json', accept: 'text/json' },
      body,
    })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('content-type'), 'text/json')
    t.match(await answer.json(), { ObjectTypeID: 33 })
    const refused = await fetch(`${service.url}${locksAt(16)}/33/1`, {
      method: 'DELETE',
      headers: { authorization: bob.authorization, accept: 'text/json' },
    })
    t.equal(refused.status, 409)
    t.equal(refused.headers.get('content-type'), 'text/json')
  })

  await t.test('the service says of itself what its clients ask first', async t => {
    const answer = await client.call('GET', '/Polaris.ApplicationServices/api')
    t.equal(answer.status, 200)
    t.equal(
      answer.text,
      '{"ServiceName":"Polaris.ApplicationServices","Version":"7.8.0.0","Major":7,"Minor":8,"Build":0,' +
        '"Revision":0,"Patches":null}',
    )
  })

  await t.test('a bad sign-in path is refused as elsewhere', async t => {
    const headers = basic('alice', await client.keyOf('alice'))
    const bearer = { authorization: `Bearer ${await client.keyOf('alice')}` }
    for (const [path, header] of [
      [SIGN_IN, headers],
      [`${SIGN_IN}/oauth`, bearer],
    ] as const) {
      t.equal((await client.call('POST', path, { headers: header })).status, 200)
      t.equal((await client.call('POST', path.replace('v1', 'v9'), { headers: header })).status, 404)
      t.equal((await client.call('POST', path.replace('eng', 'xyz'), { headers: header })).status, 400)
      t.equal((await client.call('POST', path)).status, 401)
    }
  })

  t.same([...client.seen].sort(), [...DECLARED].sort(), 'every declared answer was seen, and no other')
})

t.test('locks last until they are released', async t => {
  const client = new PolarisClient(await startService(t))
  const alice = await client.workstation('alice', 15)
  await alice.lock(27, 1)
  await expire(client.service.stores)
  t.equal((await alice.lock(27, 1)).status, 401, 'a token lasts a day')
  const again = await client.workstation('alice', 15)
  t.equal((await again.lock(27, 1)).json.ExistingLock, true)
})

t.test('a largest age ends locks that are not asked for again', async t => {
  const service = await startService(t, { dialects: polarisSettings({ maxLockAgeHours: 2 }) })
  const client = new PolarisClient(service)
  const alice = await client.workstation('alice', 15)
  await alice.lock(27, 1)
  const lease = () =>
    service.stores.sql<{ ttl: number; ends: Date }>(
      `select extract(epoch from s.ttl)::float8 as ttl, s.expires_at as ends
       from sessions s join locks l on l.session_id = s.id`,
    )
  const [before] = await lease()
  t.equal(before?.ttl, 7200)
  t.equal((await alice.lock(27, 1)).json.ExistingLock, true)
  const [after] = await lease()
  t.ok(Number(after?.ends) > Number(before?.ends), 'to ask for it again is to go on with it')
  await expire(service.stores)
  const bob = await client.workstation('bob', 15)
  t.equal((await bob.look(27, 1)).status, 404)
  t.same((await bob.all()).json, [])
  t.match(await bob.lock(27, 1), { status: 200, json: { ExistingLock: false } })
})

const CALLS: readonly (readonly [string, string, unknown?])[] = [
  ['POST', '', { ObjectTypeID: 27, ObjectID: 77 }],
  ['POST', '/27', [77]],
  ['GET', ''],
  ['GET', '?getAllLocks=true'],
  ['GET', '/27/77'],
  ['DELETE', '/27/77'],
  ['DELETE', ''],
]

function auth({ authorization }: { readonly authorization: string }): Record<string, string> {
  return { authorization }
}

/** Sends bytes of a type of their own. */
function raw(
  client: PolarisClient,
  method: string,
  path: string,
  authorization: string,
  type: string,
  body: string,
) {
  return client.call(method, path, { headers: { authorization, 'content-type': type }, lines: body })
}
