import t from 'tap'
import { DIALECTS, NAMESPACE, startService } from '../../service.ts'
import { AlmClient, API, entities } from './client.ts'

const service = await startService(t)
const { keys } = service
const alice = await new AlmClient(service).signIn('alice', keys.alice)
const bob = await new AlmClient(service).signIn('bob', keys.bob)
const viewer = await new AlmClient(service).signIn('victor', keys.viewer)
const admin = await new AlmClient(service).signIn('root', keys.admin)

async function locked(client: AlmClient, ...ids: readonly unknown[]): Promise<number[]> {
  const answer = await client.call('POST', API, { body: entities(...ids) })
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`)
  return answer.json.data.map(({ id }: { id: number }) => id)
}

async function clear(): Promise<void> {
  await service.stores.sql('delete from locks')
}

t.test('a lock is made, with its address', async t => {
  const answer = await alice.call('POST', API, { body: entities(2) })
  t.equal(answer.status, 201)
  const [lock] = answer.json.data
  t.match(lock, { type: 'lock', entity: { id: 2, type: 'defect' }, user: 'alice' })
  t.same(Object.keys(lock), ['type', 'id', 'entity', 'user', 'lock-time', 'session-last-touch'])
  t.equal(answer.headers.location, `${API}/${lock.id}`)
  const { json: seen } = await alice.call('GET', answer.headers.location ?? '')
  // looking touches the session, perhaps in the next second
  t.same({ ...seen, 'session-last-touch': lock['session-last-touch'] }, lock, 'a bare object')
  t.match(await service.stores.locks.find({ namespace: NAMESPACE, type: 'defect', id: '2' }), {
    id: String(lock.id),
    holder: 'alice',
  })
  await clear()
})

t.test('the same session gets the same lock again, and another of the user is welcome to it', async t => {
  const [id] = await locked(alice, 3)
  t.same(await locked(alice, 3), [id])
  const other = await new AlmClient(service).signIn('alice', keys.alice)
  t.same(await locked(other, 3), [id])
  await other.call('GET', '/qcbin/authentication-point/logout')
  t.equal((await alice.call('GET', `${API}/${id}`)).status, 200, 'it stayed with the first session')
  await clear()
})

t.test('what another user has locked is refused with the name of that user', async t => {
  const [id] = await locked(alice, 4)
  const answer = await bob.call('POST', API, { body: entities(4) })
  t.equal(answer.status, 403)
  t.same(answer.json, {
    Id: 'qccore.lock-failure',
    Title: "Failed to lock entity: The entity is locked by user 'alice'",
    ExceptionProperties: null,
    StackTrace: null,
  })
  for (const method of ['DELETE', 'PUT']) {
    const refused = await bob.call(method, `${API}/${id}`)
    t.equal(refused.status, 403)
    t.match(refused.json, { Id: 'qccore.lock-failure', Title: /locked by user 'alice'$/ })
  }
  t.equal((await bob.call('GET', `${API}/${id}`)).json.user, 'alice', 'everybody may look')
  await clear()
})

t.test('the status of a refused lock is 500 where the settings say so', async t => {
  const older = await startService(t, {
    dialects: { ...DIALECTS, alm: { ...DIALECTS.alm, lockFailureStatus: 500 } },
  })
  await locked(await new AlmClient(older).signIn('alice', older.keys.alice), 4)
  const other = await new AlmClient(older).signIn('bob', older.keys.bob)
  const answer = await other.call('POST', API, { body: entities(4) })
  t.match(answer, { status: 500, json: { Id: 'qccore.lock-failure' } })
})

t.test('many are locked together or not at all', async t => {
  const ids = await locked(alice, 10, 11, 'a text')
  t.equal(new Set(ids).size, 3)
  const answer = await bob.call('POST', API, { body: entities(12, 11, 13) })
  t.equal(answer.status, 403)
  t.equal((await bob.call('GET', API)).json['total-results'], 3)
  const again = await alice.call('POST', API, { body: entities(12, 10) })
  t.same([again.status, again.headers.location], [201, undefined], 'no address for two')
  t.same(
    again.json.data.map((lock: { entity: object }) => lock.entity),
    [
      { id: 12, type: 'defect' },
      { id: 10, type: 'defect' },
    ],
  )
  t.equal((await alice.call('POST', API, { body: entities(20, 20) })).status, 400)
  await clear()
})

t.test('an id has one spelling', async t => {
  const canonical: readonly (readonly [unknown, number | string])[] = [
    [7, 7],
    ['7', 7],
    ['007', 7],
    [-1, -1],
    ['-01', -1],
    [0, 0],
    ['-0', 0],
    ['9007199254740993', '9007199254740993'],
    ['7a', '7a'],
  ]
  for (const [sent, shown] of canonical) {
    const answer = await alice.call('POST', API, { body: entities(sent) })
    t.equal(answer.json.data[0].entity.id, shown, String(sent))
    const stored = await service.stores.locks.get(NAMESPACE, String(answer.json.data[0].id))
    t.equal(stored?.resource.id, String(shown), `${sent} has one name`)
  }
  for (const wrong of [
    2.5,
    ' 7',
    '7 ',
    'a ',
    ' a',
    '+7',
    '7.0',
    '0x7',
    '7e0',
    true,
    {},
    [7],
    'x'.repeat(1025),
  ]) {
    const answer = await alice.call('POST', API, { body: entities(wrong) })
    t.match(answer, { status: 400, json: { Id: 'qccore.invalid-value-type-for-field' } }, String(wrong))
  }
  await clear()
})

t.test('what a body lacks or has wrong is named', async t => {
  const wrong: readonly (readonly [unknown, string, string])[] = [
    ['', 'qccore.general-error', 'empty'],
    ['{"data":', 'qccore.general-error', 'JSON'],
    ['{"data":[{"entity":{"id":2,"id":3,"type":"defect"}}]}', 'qccore.general-error', 'more than once'],
    ['{"data":[{"entity":{"id":9007199254740993,"type":"defect"}}]}', 'qccore.general-error', '2\\^53'],
    [{}, 'qccore.required-field-missing', 'data'],
    [{ data: [] }, 'qccore.required-field-missing', 'data\\[0\\]'],
    [{ data: [{}] }, 'qccore.required-field-missing', 'data\\[0\\]\\.entity'],
    [{ data: [{ entity: { type: 'defect' } }] }, 'qccore.required-field-missing', 'entity\\.id'],
    [{ data: [{ entity: { id: null, type: 'defect' } }] }, 'qccore.required-field-missing', 'entity\\.id'],
    [{ data: [{ entity: { id: 2 } }] }, 'qccore.required-field-missing', 'entity\\.type'],
    [{ data: [{ entity: { id: 2, type: '' } }] }, 'qccore.required-field-missing', 'entity\\.type'],
    [{ data: 5 }, 'qccore.invalid-value-type-for-field', 'data'],
    [[], 'qccore.invalid-value-type-for-field', 'body'],
    [{ data: [{ entity: { id: 2, type: 5 } }] }, 'qccore.invalid-value-type-for-field', 'entity\\.type'],
    [{ data: [{ entity: { id: 2, type: 'Defect' } }] }, 'qccore.invalid-value-type-for-field', 'type'],
    [{ data: [{ entity: { id: 2, type: 'a/b' } }] }, 'qccore.invalid-value-type-for-field', 'type'],
  ]
  for (const [body, id, title] of wrong) {
    const answer = await alice.call('POST', API, { body })
    t.match(answer, { status: 400, json: { Id: id, Title: new RegExp(title) } }, JSON.stringify(body))
  }
  t.equal((await alice.call('GET', API)).json['total-results'], 0)
  const type = (value: string) =>
    alice.call('POST', API, { body: entities(2), headers: { 'Content-Type': value } })
  t.equal((await type('application/xml')).status, 415)
  t.equal((await type('application/json;charset=UTF-8')).status, 201)
  t.equal((await alice.call('POST', API, { body: 'x'.repeat(70_000) })).status, 413)
  await clear()
})

t.test('fields that mean nothing here are let pass, and never say who holds', async t => {
  const body = { data: [{ entity: { id: 2, type: 'defect', name: 'x' }, user: 'bob' }], user: 'bob' }
  const answer = await alice.call('POST', `${API}?_=123&x=y`, { body })
  t.equal(answer.json.data[0].user, 'alice')
  await clear()
})

t.test('a lock is deleted by its user, and shown whole for the last time', async t => {
  const [id] = await locked(alice, 30)
  const before = await alice.call('GET', `${API}/${id}`)
  const answer = await alice.call('DELETE', `${API}/${id}`, {
    headers: { 'Content-Type': 'text/plain', 'Content-Length': '0' },
  })
  t.equal(answer.status, 200)
  t.same({ ...answer.json, 'session-last-touch': 0 }, { ...before.json, 'session-last-touch': 0 })
  t.same(Object.keys(answer.json), Object.keys(before.json))
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const gone = await alice.call(method, `${API}/${id}`)
    t.match(gone, { status: 404, json: { Id: 'qccore.entity-not-found' } })
  }
})

t.test('no lock is there under a number that is none', async t => {
  const [id] = await locked(alice, 31)
  for (const text of [`0${id}`, `+${id}`, `${id}.0`, '0', '-1', 'x', '9'.repeat(15), '9'.repeat(30)]) {
    const answer = await alice.call('GET', `${API}/${text}`)
    t.match(answer, { status: 404, json: { Id: 'qccore.entity-not-found' } }, text)
  }
  t.equal((await alice.call('GET', `${API}/${id}%20`)).status, 200, 'a trailing space is let pass')
  const elsewhere = API.replace('/REST/', '/OTHER/')
  t.equal((await admin.call('GET', `${elsewhere}/${id}`)).status, 404)
  await clear()
})

t.test('PUT is a sign of life of the session that holds the lock', async t => {
  const [id] = await locked(alice, 32)
  const other = await new AlmClient(service).signIn('alice', keys.alice)
  await service.stores.sql(
    `update sessions set started = started - interval '1 hour', last_touch = last_touch - interval '10 minutes'`,
  )
  const stale = await bob.call('GET', `${API}/${id}`)
  const answer = await other.call('PUT', `${API}/${id}`, { body: {} })
  t.equal(answer.status, 200)
  t.ok(answer.json['session-last-touch'] > stale.json['session-last-touch'])
  t.equal(answer.json.id, id)
  await clear()
})

t.test('what a key may not do is forbidden in the words of ALM', async t => {
  const [id] = await locked(alice, 33)
  t.equal((await viewer.call('GET', API)).status, 200)
  t.equal((await viewer.call('GET', `${API}/${id}`)).status, 200)
  const refused = [
    await viewer.call('POST', API, { body: entities(34) }),
    await viewer.call('DELETE', API),
    ...(await Promise.all(
      ['GET', 'POST', 'DELETE'].map(method =>
        alice.call(method, API.replace('/REST/', '/OTHER/'), {
          ...(method === 'POST' && { body: entities(1) }),
        }),
      ),
    )),
  ]
  for (const answer of refused) t.match(answer, { status: 403, json: { Id: 'qccore.operation-forbidden' } })
  t.equal((await viewer.call('DELETE', `${API}/${id}`)).status, 403)
  await clear()
})

t.test('an entity that a closed project does not have cannot be locked', async t => {
  const path = `/v1/namespaces/${encodeURIComponent('DEFAULT/CLOSED')}`
  const closed = API.replace('/REST/', '/CLOSED/')
  await service.call('PUT', path, { key: keys.admin, body: { closed: true } })
  const put = await service.call('PUT', `${path}/resources/defect/1`, { key: keys.admin, body: {} })
  t.ok(put.status < 300, put.text)
  const answer = await admin.call('POST', closed, { body: entities(1, 2) })
  t.match(answer, { status: 404, json: { Id: 'qccore.entity-not-found', Title: /defect 2/ } })
  t.equal((await admin.call('POST', closed, { body: entities(1) })).status, 201)
  await clear()
})

t.test('a domain with a slash is no domain', async t => {
  const answer = await admin.call('GET', '/qcbin/api/domains/A%2FB/projects/C/locks')
  t.equal(answer.status, 404)
  t.equal((await admin.call('GET', `/qcbin/api/domains/A/projects/${'x'.repeat(255)}/locks`)).status, 404)
})

t.test('all locks of the project are deleted, if they are one’s own', async t => {
  await locked(alice, 40, 41)
  const elsewhere = API.replace('/REST/', '/OTHER/')
  await admin.call('POST', elsewhere, { body: entities(1) })
  t.equal((await alice.call('DELETE', API)).json['total-results'], 2)
  t.equal((await alice.call('GET', API)).json['total-results'], 0)
  t.equal((await admin.call('GET', elsewhere)).json['total-results'], 1)
  t.match((await alice.call('DELETE', API)).json, { data: [], 'total-results': 0 })
  await locked(alice, 40, 41)
  await locked(bob, 42)
  const refused = await alice.call('DELETE', API)
  t.match(refused, { status: 403, json: { Id: 'qccore.lock-failure', Title: /locked by user 'bob'$/ } })
  t.equal((await alice.call('GET', API)).json['total-results'], 3)
  await clear()
})

t.test('an administrator deletes anybody’s locks at once, and it is recorded', async t => {
  await locked(alice, 50)
  const [id] = await locked(bob, 51)
  const answer = await admin.call('DELETE', `${API}?query=user='bob'`)
  t.same(
    answer.json.data.map((lock: { id: number }) => lock.id),
    [id],
  )
  t.equal((await admin.call('DELETE', `${API}?_=1`)).json['total-results'], 1)
  t.match(service.audit, [
    { event: 'lock_force_released', by: 'root', lockIds: [String(id)], holders: ['bob'] },
    { event: 'lock_force_released', by: 'root', holders: ['alice'] },
  ])
  await clear()
})

t.test('a deletion by a misspelt query deletes nothing', async t => {
  await locked(alice, 60)
  const wrong: readonly (readonly [string, number, string])[] = [
    ['quer=id=1', 400, 'qccore.general-error'],
    ['QUERY=id=1', 400, 'qccore.general-error'],
    ['query=', 404, 'qccore.invalid-filter-expression'],
    ['query=id', 404, 'qccore.invalid-filter-expression'],
    ['query=id=1&query=id=2', 400, 'qccore.general-error'],
  ]
  for (const [query, status, id] of wrong) {
    t.match(await alice.call('DELETE', `${API}?${query}`), { status, json: { Id: id } }, query)
  }
  t.equal((await alice.call('GET', API)).json['total-results'], 1)
  await clear()
})

t.test('only what can be answered in JSON is answered', async t => {
  for (const [method, path] of [
    ['GET', API],
    ['POST', API],
    ['DELETE', API],
    ['GET', `${API}/1`],
    ['PUT', `${API}/1`],
    ['DELETE', `${API}/1`],
  ] as const) {
    const answer = await alice.call(method, path, { headers: { Accept: 'application/xml' } })
    t.equal(answer.status, 406)
    t.match(answer.text, /<QCRestException><Id>qccore\.general-error<\/Id>/)
  }
  t.equal((await alice.call('GET', API, { headers: { Accept: 'text/html, */*;q=0.1' } })).status, 200)
})

t.test('every answer about locks brings the sign-in cookie anew', async t => {
  const [id] = await locked(alice, 70)
  for (const [method, path] of [
    ['GET', API],
    ['GET', `${API}/${id}`],
    ['PUT', `${API}/${id}`],
    ['DELETE', `${API}/${id}`],
    ['DELETE', API],
  ] as const) {
    const { setCookies } = await alice.call(method, path)
    t.same(setCookies, [`LWSSO_COOKIE_KEY=${alice.cookies.LWSSO_COOKIE_KEY};Path=/;HTTPOnly`])
  }
})

t.test('pages of more locks than are kept at once are those of the whole list', async t => {
  for (let from = 1; from <= 10_001; from += 1000) {
    const ids = Array.from({ length: from > 10_000 ? 1 : 1000 }, (_, index) => from + index)
    const owner = from % 2000 === 1 ? alice : bob
    await locked(owner, ...ids)
  }
  const page = async (query: string) => {
    const { status, json } = await alice.call('GET', `${API}?${query}`)
    t.equal(status, 200, query)
    t.equal(json['total-results'], 10_001, query)
    return json.data.map(({ entity }: { entity: { id: number } }) => entity.id)
  }
  t.same(await page('page-size=3&start-index=999'), [999, 1000, 1001], 'over the end of what is read at once')
  t.same(await page('page-size=2&start-index=10001'), [10_001])
  t.same(await page('page-size=2&start-index=10002'), [])
  t.same(await page('page-size=2&order-by=-id'), [10_001, 10_000])
  t.same(await page('page-size=3&order-by=user,-id&start-index=5000'), [2, 1, 10_000])
  t.same(
    await page('page-size=3&order-by=-user&start-index=4999'),
    [9999, 10_000, 1],
    'of equals the older first',
  )
  t.same(await page('page-size=1&order-by=id&start-index=10000'), [10_000])
  t.match(await alice.call('GET', `${API}?order-by=id&page-size=1&start-index=10001`), {
    status: 400,
    json: { Id: 'qccore.general-error', Title: /first 10000 locks/ },
  })
  const few = await alice.call('GET', `${API}?order-by=id&start-index=10001&query=id<0`)
  t.match(few, { status: 200, json: { data: [], 'total-results': 0 } })

  const one = await admin.call('DELETE', `${API}?query=entity.id=10001`)
  t.equal(one.headers['leasehold-truncated'], undefined)
  const all = await admin.call('DELETE', API)
  t.equal(all.status, 200)
  t.equal(all.headers['leasehold-truncated'], 'true')
  t.equal(all.json['total-results'], 10_000)
  t.same(
    all.json.data.map(({ entity }: { entity: { id: number } }) => entity.id),
    Array.from({ length: 1000 }, (_, index) => index + 1),
  )
  t.equal(await service.stores.locks.count(), 0)
})
