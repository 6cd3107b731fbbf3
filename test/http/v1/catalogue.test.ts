import t from 'tap'
import { rawSocket } from '../raw-socket.ts'
import { documentedAnswers, startService } from '../service.ts'

const service = await startService(t)
const { admin, alice, viewer } = service.keys
const HERE = '/v1/namespaces/DEFAULT%2FREST'

const lines = (...values: unknown[]) => values.map(value => `${JSON.stringify(value)}\n`).join('')
const put = (path: string, body: object, key = admin) =>
  service.call('PUT', `${HERE}/resources/${path}`, { key, body })
const get = (path: string) => service.call('GET', `${HERE}/resources/${path}`, { key: viewer })
const bring = (text: string, key = admin) => service.call('POST', `${HERE}/resources`, { key, lines: text })
const counts = async () => (await service.stores.sql('select count(*)::int as n from resources'))[0]?.n

t.test('a resource is put, looked at, replaced and taken out', async t => {
  t.equal((await put('folder/1', {})).status, 200)
  const parent = { type: 'folder', id: '1' }
  const { status, json } = await put('defect/2', { parent })
  t.equal(status, 200)
  t.same(json, {
    namespace: 'DEFAULT/REST',
    resource: { type: 'defect', id: '2' },
    parent,
    kind: 'object',
    elements: [],
  })
  t.same((await get('defect/2')).json, json)
  t.equal(
    (await service.call('DELETE', `${HERE}/resources/folder/1`, { key: admin })).json.code,
    'resource_has_children',
  )
  t.equal((await put('defect/2', {})).json.parent, null, 'what is not said again is gone')
  for (const path of ['folder/1', 'defect/2']) {
    t.equal((await service.call('DELETE', `${HERE}/resources/${path}`, { key: admin })).status, 204)
    t.equal(
      (await service.call('DELETE', `${HERE}/resources/${path}`, { key: admin })).json.code,
      'resource_not_found',
    )
    t.equal((await get(path)).json.code, 'resource_not_found')
  }
})

t.test('a selection has elements, in order, also such as the catalogue does not have', async t => {
  const elements = ['c', 'a', 'b'].map(id => ({ type: 'defect', id }))
  t.same((await put('choice/1', { kind: 'selection', elements })).json.elements, elements)
  t.same(
    (await put('choice/1', { kind: 'selection', elements: elements.slice(1) })).json.elements,
    elements.slice(1),
  )
  t.same((await get('choice/1')).json.elements, elements.slice(1))
  t.same((await put('choice/1', { kind: 'object' })).json.elements, [])
  t.same((await get('choice/1')).json.elements, [])
})

t.test('parents that are not there and cycles are refused, and nothing is changed', async t => {
  const before = await counts()
  const orphan = await put('defect/9', { parent: { type: 'folder', id: 'nowhere' } })
  t.equal(orphan.status, 400)
  t.match(orphan.json.errors, [{ field: 'parent', message: /does not have/ }])
  t.match((await put('defect/9', { parent: { type: 'defect', id: '9' } })).json.errors, [
    { message: /ancestors/ },
  ])
  t.equal(await counts(), before)
  await put('a/1', {})
  await put('a/2', { parent: { type: 'a', id: '1' } })
  await put('a/3', { parent: { type: 'a', id: '2' } })
  t.match((await put('a/1', { parent: { type: 'a', id: '3' } })).json.errors, [
    { message: /its own ancestors/ },
  ])
  t.equal((await get('a/1')).json.parent, null)
})

t.test('an import takes children before parents, and all or nothing', async t => {
  const before = Number(await counts())
  const good = lines(
    { type: 'leaf', id: '1', parent: { type: 'tree', id: '1' } },
    { type: 'tree', id: '1' },
    { type: 'pick', id: '1', kind: 'selection', elements: [{ type: 'leaf', id: '1' }] },
  )
  t.same((await bring(`${good}\r\n\n`)).json, { resources: 3 })
  t.same((await bring(good.trimEnd())).json, { resources: 3 }, 'again, without a last line feed')
  t.equal(await counts(), before + 3)
  const bad: [string, RegExp][] = [
    [`${lines({ type: 'x', id: '1' })}{"type":"x"}\n`, /line 2 id is required/],
    [`${lines({ type: 'x', id: '1' })}{oops\n`, /line 2/],
    [lines({ type: 'x', id: '1' }, { type: 'x', id: '1' }), /line 2 is the same resource as line 1/],
    [lines({ type: 'x', id: '1', parent: { type: 'x', id: '2' } }), /line 1 has a parent/],
    [
      lines(
        { type: 'x', id: '1', parent: { type: 'x', id: '2' } },
        { type: 'x', id: '2', parent: { type: 'x', id: '1' } },
      ),
      /ancestors/,
    ],
    [lines({ type: 'x', id: '1', elements: [{ type: 'x', id: '2' }] }), /is an object/],
    [lines({ type: 'x', id: '1', nonsense: 1 }), /line 1 nonsense/],
    [lines({ type: 'x', id: '\u0000' }), /line 1/],
  ]
  for (const [text, message] of bad) {
    const { status, json } = await bring(text)
    t.equal(status, 400, text)
    t.match(json.detail, message)
  }
  t.equal((await bring('')).json.resources, 0)
  t.equal((await service.call('POST', `${HERE}/resources`, { key: admin, body: {} })).status, 415)
  t.equal(await counts(), before + 3)
})

t.test('a hundred thousand resources come in one call', async t => {
  const here = '/v1/namespaces/large/resources'
  const text = lines(
    ...Array.from({ length: 100_000 }, (_, id) => ({
      type: 'node',
      id: String(id),
      parent: id === 0 ? null : { type: 'node', id: String(Math.floor((id - 1) / 10)) },
    })),
  )
  const started = performance.now()
  const { status, json } = await service.call('POST', here, { key: admin, lines: text })
  t.comment(`100,000 resources in ${Math.round(performance.now() - started)} ms`)
  t.equal(status, 200)
  t.same(json, { resources: 100_000 })
  t.match((await service.call('GET', `${here}/node/99999`, { key: admin })).json.parent, { id: '9999' })
})

t.test('a connection goes on when an import on it is refused before all of it has come', async t => {
  const raw = await rawSocket(service.port)
  t.teardown(() => raw.socket.destroy())
  // more than is read from a socket at once
  const rest = ' '.repeat(1_000_000)
  raw.socket.write(
    `POST ${HERE}/resources HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${admin}\r\n` +
      `Content-Type: application/x-ndjson\r\nContent-Length: ${2 + rest.length}\r\n\r\n[\n`,
  )
  t.match(await raw.until(/"detail":"line 1/), /^HTTP\/1\.1 400 /)
  raw.socket.write(`${rest}GET /livez HTTP/1.1\r\nHost: x\r\n\r\n`)
  await raw.until(/"status":"live"/)
})

t.test('an import that is too large, or a line, is refused', async t => {
  const long = lines({ type: 'x', id: '1', metadata: 'y'.repeat(300_000) })
  t.equal((await bring(long)).status, 413)
  const many = `${JSON.stringify({ type: 'x', id: '1' })}\n`.repeat(200_001)
  t.equal((await bring(many)).status, 413)
  const elements = Array.from({ length: 1000 }, (_, index) => ({ type: 'x', id: String(index) }))
  const selections = Array.from({ length: 501 }, (_, index) => ({
    type: 'choice',
    id: String(index),
    kind: 'selection',
    elements,
  }))
  t.match(await bring(lines(...selections)), { status: 413, json: { detail: /500000 elements/ } })
})

t.test('in a closed namespace only what the catalogue has can be locked', async t => {
  const acquire = (...ids: string[]) =>
    service.call('POST', `${HERE}/locks`, {
      key: alice,
      body: { resources: ids.map(id => ({ type: 'a', id })) },
    })
  t.same((await service.call('GET', HERE, { key: viewer })).json, {
    namespace: 'DEFAULT/REST',
    closed: false,
  })
  const held = (await acquire('unknown')).json.locks[0]
  t.same((await service.call('PUT', HERE, { key: admin, body: { closed: true } })).json, {
    namespace: 'DEFAULT/REST',
    closed: true,
  })
  const refused = await acquire('also unknown')
  t.equal(refused.status, 404)
  t.equal(refused.json.code, 'resource_not_found')
  t.match((await acquire('1', 'x', '2')).json.errors, [{ field: 'resources[1]' }])
  t.equal((await acquire('1', '2')).status, 201)
  const takeover = await service.call('POST', `${HERE}/locks`, {
    key: admin,
    body: { resources: [{ type: 'a', id: 'unknown' }], takeover: true, reason: 'test' },
  })
  t.equal(takeover.json.code, 'resource_not_found')
  t.equal(
    (await service.call('PUT', `${HERE}/locks/${held.id}`, { key: alice })).status,
    200,
    'what is held stays',
  )
  await service.call('PUT', HERE, { key: admin, body: { closed: false } })
  t.equal((await acquire('also unknown')).status, 201)
})

t.test('everybody reads the catalogue, and administrators of the namespace write it', async t => {
  for (const key of [alice, viewer]) {
    t.equal((await put('a/1', {}, key)).status, 403)
    t.equal((await bring(lines({ type: 'x', id: '1' }), key)).status, 403)
    t.equal((await service.call('DELETE', `${HERE}/resources/a/1`, { key })).status, 403)
    t.equal((await service.call('PUT', HERE, { key, body: { closed: true } })).status, 403)
  }
  const local = await service.keyOf('frank', 'admin', 'DEFAULT/REST')
  t.equal((await put('a/9', {}, local)).status, 200)
  const elsewhere = await service.keyOf('grace', 'admin', 'elsewhere')
  t.equal((await put('a/9', {}, elsewhere)).status, 403)
  t.equal((await service.call('GET', `${HERE}/resources/a/1`, { key: elsewhere })).status, 403)
  t.equal((await service.call('GET', HERE, { key: elsewhere })).status, 403)
})

t.test('every documented answer of these calls was seen', async t => {
  const calls = [
    'getNamespace',
    'setNamespace',
    'importResources',
    'getResource',
    'putResource',
    'removeResource',
  ]
  for (const answer of documentedAnswers(...calls)) t.ok(service.seen.has(answer), answer)
})
