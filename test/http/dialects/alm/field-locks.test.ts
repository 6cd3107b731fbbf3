import t from 'tap'
import { NAMESPACE, startService } from '../../service.ts'
import { AlmClient, API, declared, entities, REST, reached } from './client.ts'

const service = await startService(t)
const { keys } = service
const alice = await new AlmClient(service).signIn('alice', keys.alice)
const bob = await new AlmClient(service).signIn('bob', keys.bob)
const LOCKS = `${REST}/locks`
const JSON_WANTED = { Accept: 'application/json' }

function asJson(id: unknown, type: unknown = 'defect'): object {
  return {
    Type: 'lock',
    Fields: [
      { Name: 'entity-id', values: [{ value: id }] },
      { Name: 'entity-type', values: [{ value: type }] },
    ],
  }
}

function asXml(id: string): string {
  return `<Entity Type="lock"><Fields><Field Name="entity-id"><Value>${id}</Value></Field><Field Name="entity-type"><Value>defect</Value></Field></Fields></Entity>`
}

/** The fields of an entity in JSON. */
function fieldsOf({ Fields }: { Fields: { Name: string; values: { value: string }[] }[] }) {
  return Object.fromEntries(Fields.map(({ Name, values }) => [Name, values[0]?.value]))
}

async function clear(): Promise<void> {
  await service.stores.sql('delete from locks')
}

t.test('one lock is made, looked at, touched and deleted in JSON', async t => {
  const made = await alice.call('POST', LOCKS, { body: asJson('2'), headers: JSON_WANTED })
  t.equal(made.status, 201)
  t.equal(made.json.Type, 'lock')
  const fields = fieldsOf(made.json)
  t.same(Object.keys(fields), ['id', 'entity-id', 'entity-type', 'user', 'lock-time', 'session-last-touch'])
  t.match(fields, { 'entity-id': '2', 'entity-type': 'defect', user: 'alice' })
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const path = `${LOCKS}/${fields.id}`
    if (method !== 'GET') t.equal((await bob.call(method, path)).status, 403)
    const answer = await alice.call(method, path, { headers: JSON_WANTED })
    t.equal(answer.status, 200)
    t.match(fieldsOf(answer.json), { id: fields.id, user: 'alice' })
  }
  const gone = await alice.call('GET', `${LOCKS}/${fields.id}`, { headers: JSON_WANTED })
  t.match(gone, { status: 404, json: { Id: 'qccore.entity-not-found' } })
})

t.test('the same in XML, and many at once', async t => {
  const xml = { headers: { 'Content-Type': 'application/xml' } }
  const made = await alice.call('POST', LOCKS, { body: asXml('3'), ...xml })
  t.equal(made.status, 201)
  t.match(
    made.text,
    /^<\?xml .*\?><Entity Type="lock"><Fields><Field Name="id"><Value>\d+<\/Value><\/Field><Field Name="entity-id"><Value>3<\/Value><\/Field>/,
  )
  const bulk = { headers: { 'Content-Type': 'application/xml;type=collection' } }
  const many = await alice.call('POST', LOCKS, {
    body: `<?xml version="1.0"?><Entities>${asXml('4')}\n${asXml('5')}</Entities>`,
    ...bulk,
  })
  t.equal(many.status, 201)
  t.match(many.text, /<Entities TotalResults="2"><Entity Type="lock">/)
  const refused = await bob.call('POST', LOCKS, {
    body: { entities: [asJson('6'), asJson('5')] },
    headers: { 'Content-Type': 'application/json;type=collection', ...JSON_WANTED },
  })
  t.match(refused, { status: 403, json: { Id: 'qccore.lock-failure', Title: /locked by user 'alice'$/ } })
  const listed = await bob.call('GET', LOCKS)
  t.match(listed.text, /<Entities TotalResults="3"><Entity Type="lock">.*<\/Entities>$/)
  await clear()
})

t.test('bodies that say too little, or cannot be read, are refused', async t => {
  const post = (body: unknown, type = 'application/json') =>
    alice.call('POST', LOCKS, { body, headers: { 'Content-Type': type, ...JSON_WANTED } })
  const wrong: readonly (readonly [unknown, string, string])[] = [
    [asJson(undefined), 'application/json', 'qccore.required-field-missing'],
    [asJson('2', ''), 'application/json', 'qccore.required-field-missing'],
    [asJson('2.0'), 'application/json', 'qccore.invalid-value-type-for-field'],
    [{ Fields: [] }, 'application/json', 'qccore.required-field-missing'],
    [{ Fields: 5 }, 'application/json', 'qccore.general-error'],
    [{ entities: [] }, 'application/json', 'qccore.general-error'],
    ['', 'application/json', 'qccore.general-error'],
    ['<Entity', 'application/xml', 'qccore.general-error'],
    ['<Entity/>', 'application/xml', 'qccore.required-field-missing'],
    ['<Entities/>', 'application/xml', 'qccore.general-error'],
  ]
  for (const [body, type, id] of wrong) {
    t.match(await post(body, type), { status: 400, json: { Id: id } }, JSON.stringify(body))
  }
  t.equal((await post('x', 'text/plain')).status, 415)
  t.equal((await post('x'.repeat(70_000))).status, 413)
  for (const [method, path] of [
    ['GET', LOCKS],
    ['POST', LOCKS],
    ['GET', `${LOCKS}/1`],
  ] as const) {
    t.equal((await alice.call(method, path, { headers: { Accept: 'text/html' } })).status, 406)
  }
})

t.test('locks are deleted by their numbers, all or none', async t => {
  const { json } = await alice.call('POST', API, { body: entities(7, 8) })
  const [one, two] = json.data.map((lock: { id: number }) => lock.id)
  const other = (await bob.call('POST', API, { body: entities(9) })).json.data[0].id
  const remove = (ids: string) =>
    alice.call('DELETE', `${LOCKS}?ids-to-delete=${ids}`, { headers: JSON_WANTED })
  t.match(await remove(`${one},${other}`), { status: 403, json: { Id: 'qccore.lock-failure' } })
  t.equal((await service.stores.locks.list({ namespace: NAMESPACE, limit: 10 })).length, 3)
  t.match(await remove(`${one}, ${two}`.replace(' ', '%20')), { status: 200, text: '' })
  t.match(await remove(`${one},${two}`), { status: 404, json: { Id: 'qccore.entity-not-found' } })
  t.match(await remove('x'), { status: 404 })
  t.match(await remove(''), { status: 400, json: { Id: 'qccore.required-field-missing' } })
  t.match(await alice.call('DELETE', LOCKS, { headers: JSON_WANTED }), { status: 400 })
  t.equal((await alice.call('PUT', LOCKS)).status, 405)
  await clear()
})

t.test('the collection is filtered, ordered, cut and paged', async t => {
  await alice.call('POST', API, { body: entities(1, 2, 3) })
  await bob.call('POST', API, { body: entities(4) })
  const list = async (query: string) => {
    const { json } = await alice.call('GET', encodeURI(`${LOCKS}?${query}`), { headers: JSON_WANTED })
    return [json.entities.map((entity: never) => fieldsOf(entity)['entity-id']), json.TotalResults]
  }
  t.same(await list('query={entity-id[1 Or 4]}'), [['1', '4'], 2])
  t.same(await list('query={user[not bob];entity-id[<3]}'), [['1', '2'], 2])
  t.same(await list('query={user[alice]}&order-by={entity-id[DESC]}&page-size=2&start-index=2'), [
    ['2', '1'],
    3,
  ])
  const { json } = await alice.call('GET', `${LOCKS}?fields=user,entity-id&page-size=1`, {
    headers: JSON_WANTED,
  })
  t.same(Object.keys(fieldsOf(json.entities[0])), ['id', 'entity-id', 'user'])
  const invalid = await alice.call('GET', `${LOCKS}?query={a[1]}`, { headers: JSON_WANTED })
  t.match(invalid, { status: 404, json: { Id: 'qccore.invalid-filter-expression' } })
  const unknown = await alice.call('GET', `${LOCKS}?fields=a`, { headers: JSON_WANTED })
  t.match(unknown, { status: 400, json: { Id: 'qccore.unknown-field-name' } })
  await clear()
})

t.test('a key of another project is refused', async t => {
  const elsewhere = LOCKS.replace('/REST/', '/OTHER/')
  const answer = await alice.call('GET', elsewhere, { headers: JSON_WANTED })
  t.match(answer, { status: 403, json: { Id: 'qccore.operation-forbidden' } })
  const posted = await alice.call('POST', elsewhere, { body: asJson('1') })
  t.equal(posted.status, 403)
  t.equal((await alice.call('DELETE', `${elsewhere}?ids-to-delete=1`)).status, 403)
})

t.test('every route below the locks of a project was reached here', async t => {
  const prefix = /\/qcbin\/rest\/domains\/.*\/locks/
  t.same(
    declared.filter(route => prefix.test(route) && !reached.has(route)),
    [],
  )
})
