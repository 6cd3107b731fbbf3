import t from 'tap'
import { Database } from '../../../../src/database/database.ts'
import { freePort } from '../../../../src/database/embedded/port.ts'
import { LockRepository } from '../../../../src/database/lock-repository.ts'
import { LockService } from '../../../../src/locks/lock-service.ts'
import { POOL_SETTINGS } from '../../../support/database.ts'
import { DIALECTS, NAMESPACE, startService } from '../../service.ts'
import { AlmClient, API, entities, REST } from './client.ts'

const service = await startService(t)
const { keys } = service
const alice = await new AlmClient(service).signIn('alice', keys.alice)
const bob = await new AlmClient(service).signIn('bob', keys.bob)
const viewer = await new AlmClient(service).signIn('victor', keys.viewer)

const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
const JSON_WANTED = { headers: { Accept: 'application/json' } }

/** Of the vendor's newer server: every collection whose entities have a lock. */
const COLLECTIONS = `list-items favorite-folders build-code-refs build-artifacts build-servers build-types
  build-instances changesets changeset-files changeset-link-associations scm-repositorys build-contexts scm-branchs
  policy-items branch-policy-links scm-branch-releases bpm-folders environments defects defect-links milestones
  releases release-cycles release-folders req-traces requirements resources resource-folders results runs
  test-config-coverages tests test-criterion-coverages test-executions test-folders test-instances test-sets
  test-set-folders dashboard-folders dashboard-pages lab-runs-protocol-granularities`.split(/\s+/)

async function clear(): Promise<void> {
  await service.stores.sql('delete from locks')
}

t.test('an entity is locked without a body, and answered as an entity', async t => {
  const path = `${REST}/defects/86/lock`
  const xml = '<Entity Type="defect"><Fields><Field Name="id"><Value>86</Value></Field></Fields></Entity>'
  for (const headers of [
    { 'Content-Type': 'application/xml; charset=UTF-8', 'Content-Length': '0' },
    { 'Content-Length': '0', Accept: '*/*' },
  ]) {
    const answer = await alice.call('POST', `${path}?version=1`, { headers })
    t.match(answer, { status: 200, text: XML + xml, headers: { 'content-type': 'application/xml' } })
  }
  const json = await alice.call('POST', path, JSON_WANTED)
  t.same(json.json, { Fields: [{ Name: 'id', values: [{ value: '86' }] }], Type: 'defect' })
  t.match(await service.stores.locks.find({ namespace: NAMESPACE, type: 'defect', id: '86' }), {
    holder: 'alice',
  })
  const refused = await bob.call('POST', path)
  t.equal(refused.status, 403)
  t.equal(
    refused.text,
    `${XML}<QCRestException><Id>qccore.lock-failure</Id><Title>Failed to lock entity: The entity is locked by user 'alice'</Title></QCRestException>`,
  )
  await clear()
})

t.test('the status of a lock is told as each user sees it', async t => {
  const path = `${REST}/requirements/7/lock`
  const statuses = async (client: AlmClient) => [
    (await client.call('GET', path)).text,
    (await client.call('GET', path, JSON_WANTED)).json,
  ]
  t.same(await statuses(alice), [
    `${XML}<LockStatusEntity><LockStatus>UNLOCKED</LockStatus><LockedByMe>false</LockedByMe></LockStatusEntity>`,
    { LockStatus: 'UNLOCKED', LockedByMe: false },
  ])
  await alice.call('POST', path)
  t.same(await statuses(alice), [
    `${XML}<LockStatusEntity><LockStatus>LOCKED_BY_ME</LockStatus><LockedByMe>true</LockedByMe><LockUser>alice</LockUser></LockStatusEntity>`,
    { LockStatus: 'LOCKED_BY_ME', LockedByMe: true, LockUser: 'alice' },
  ])
  t.same(await statuses(viewer), [
    `${XML}<LockStatusEntity><LockStatus>LOCKED_BY_OTHER</LockStatus><LockedByMe>false</LockedByMe><LockUser>alice</LockUser></LockStatusEntity>`,
    { LockStatus: 'LOCKED_BY_OTHER', LockedByMe: false, LockUser: 'alice' },
  ])
  await clear()
})

t.test('an entity is unlocked by its holder', async t => {
  const path = `${REST}/tests/8/lock`
  const headers = { 'Content-Type': 'application/xml', 'Content-Length': '0' }
  await alice.call('POST', path)
  const refused = await bob.call('DELETE', path, { headers })
  t.equal(refused.status, 403)
  t.match(refused.text, /qccore\.lock-failure.*locked by user 'alice'<\/Title>/)
  t.equal((await viewer.call('DELETE', path)).status, 403)
  const other = await new AlmClient(service).signIn('alice', keys.alice)
  t.match(await other.call('DELETE', path, { headers }), { status: 200, text: '' }, 'whichever session')
  const gone = await alice.call('DELETE', path, JSON_WANTED)
  t.match(gone, { status: 404, json: { Id: 'qccore.entity-not-found' } })
})

t.test('a lock is the same one wherever it is looked at', async t => {
  await alice.call('POST', API, { body: entities(9) })
  t.match((await bob.call('GET', `${REST}/defects/9/lock`, JSON_WANTED)).json, { LockUser: 'alice' })
  t.match((await bob.call('GET', `${REST}/defects/009/lock`, JSON_WANTED)).json, { LockUser: 'alice' })
  t.match((await bob.call('GET', `${REST}/defects/9/lock%20`, JSON_WANTED)).json, { LockUser: 'alice' })
  t.equal((await bob.call('POST', `${REST.replace('DEFAULT', 'default')}/defects/9/lock`)).status, 403)
  const { json } = await service.call('GET', `/v1/namespaces/${encodeURIComponent(NAMESPACE)}/locks`, {
    key: keys.bob,
  })
  t.match(json.locks, [{ resource: { type: 'defect', id: '9' }, holder: 'alice' }])
  await clear()
})

t.test('every collection of the vendor’s list has locks, and nothing else is a collection', async t => {
  t.equal(COLLECTIONS.length, 41)
  const types = new Set<string>()
  for (const collection of COLLECTIONS) {
    const { status, json } = await alice.call('POST', `${REST}/${collection}/1/lock`, JSON_WANTED)
    t.equal(status, 200, collection)
    types.add(json.Type)
    const asType = await bob.call('POST', API, {
      body: { data: [{ entity: { id: 1, type: json.Type } }] },
    })
    t.equal(asType.status, 403, `${json.Type} is what its entities are called elsewhere`)
  }
  t.equal(types.size, 41)
  for (const name of ['scm-branch', 'requirement', 'scm-repository']) t.ok(types.has(name), name)
  for (const path of ['defect/1', 'Defects/1', 's/1', 'locks/1', 'defects/%201', 'defects/+1', 'a%2Fs/1']) {
    const answer = await alice.call('POST', `${REST}/${path}/lock`, JSON_WANTED)
    t.match(answer, { status: 404, json: { Id: 'qccore.entity-not-found' } }, path)
  }
  await clear()
})

t.test('methods, media types and bodies that do not belong are refused in the form wanted', async t => {
  const path = `${REST}/defects/1/lock`
  const put = await alice.call('PUT', path)
  t.match(put, { status: 405, headers: { allow: /GET/ } })
  t.match(put.text, /<QCRestException><Id>qccore\.general-error<\/Id>/)
  t.equal((await alice.call('PUT', path, JSON_WANTED)).json.Id, 'qccore.general-error')
  for (const method of ['GET', 'POST']) {
    const answer = await alice.call(method, path, { headers: { Accept: 'text/html' } })
    t.equal(answer.status, 406)
    t.match(answer.text, /^<\?xml .*<QCRestException>/)
  }
  t.equal(
    (await alice.call('POST', path, { body: 'x', headers: { 'Content-Type': 'text/plain' } })).status,
    415,
  )
  const large = { body: 'x'.repeat(70_000), headers: { 'Content-Type': 'application/xml' } }
  t.equal((await alice.call('POST', path, large)).status, 413)
  t.equal((await alice.call('GET', path, { headers: { 'Content-Type': 'application/xml' } })).status, 200)
  t.equal((await viewer.call('POST', path, { headers: { 'Content-Length': '0' } })).status, 403)
  t.match((await alice.call('GET', '/qcbin/rest/nothing')).text, /<Id>qccore\.general-error<\/Id>/)
  t.match((await alice.call('GET', '/qcbin/api/nothing')).json, { Id: 'qccore.general-error' })
  t.match((await alice.call('GET', '/qcbin')).text, /<QCRestException>/)
})

t.test('the form of an answer is the one that Accept likes best', async t => {
  const path = `${REST}/defects/1/lock`
  const forms: readonly (readonly [string, string | number])[] = [
    ['application/json', 'application/json'],
    ['application/json, text/plain, */*', 'application/json'],
    ['application/json;q=0.5, application/xml', 'application/xml'],
    ['application/xml;q=0.5, application/json;q=0.9', 'application/json'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/xml'],
    ['application/*', 'application/xml'],
    ['application/xml;q=0, */*', 'application/json'],
    ['APPLICATION/JSON', 'application/json'],
    ['', 'application/xml'],
    ['image/png', 406],
    ['application/json;q=0', 406],
  ]
  for (const [accept, expected] of forms) {
    const { status, headers } = await alice.call('GET', path, { headers: { Accept: accept } })
    t.equal(status === 200 ? headers['content-type'] : status, expected, accept)
  }
})

t.test('an entity that a closed project does not have is not there', async t => {
  const admin = await new AlmClient(service).signIn('root', keys.admin)
  const path = `/v1/namespaces/${encodeURIComponent('DEFAULT/CLOSED')}`
  await service.call('PUT', path, { key: keys.admin, body: { closed: true } })
  await service.call('PUT', `${path}/resources/defect/1`, { key: keys.admin, body: {} })
  const closed = REST.replace('/REST', '/CLOSED')
  for (const [id, status] of [
    ['1', 200],
    ['2', 404],
  ] as const) {
    for (const method of ['GET', 'POST']) {
      t.equal((await admin.call(method, `${closed}/defects/${id}/lock`, JSON_WANTED)).status, status)
    }
  }
})

t.test('trouble of the database is said in the words of ALM, and looks like no answer', async t => {
  const port = await freePort()
  const database = new Database({ ...POOL_SETTINGS, url: `postgres://x@127.0.0.1:${port}/x` }, 'leasehold')
  t.teardown(() => database.close())
  const broken = await startService(t, {
    signIns: service.services.signIns,
    locks: new LockService(new LockRepository(database, { retried() {} }), () => {}),
  })
  const client = new AlmClient(broken)
  client.cookies = { ...alice.cookies }
  const calls: readonly (readonly [string, string, RegExp])[] = [
    ['GET', `${REST}/defects/1/lock`, /^<\?xml .*<QCRestException><Id>qccore\.general-error/],
    ['POST', `${REST}/defects/1/lock`, /<QCRestException>/],
    ['DELETE', `${REST}/defects/1/lock`, /<QCRestException>/],
    ['GET', API, /^\{"Id":"qccore\.general-error"/],
    ['DELETE', `${API}/1`, /^\{"Id":"qccore\.general-error"/],
  ]
  for (const [method, path, pattern] of calls) {
    const answer = await client.call(method, path)
    t.equal(answer.status, 503, `${method} ${path}`)
    t.match(answer.text, pattern)
    t.equal(answer.headers['retry-after'], '1')
  }
})

t.test('switched off, its paths are like any other that is not there', async t => {
  const { alm: _, ...others } = DIALECTS
  const off = await startService(t, { dialects: others })
  for (const path of [API, `${REST}/defects/1/lock`, '/qcbin/authentication-point/authenticate']) {
    const { status, json } = await off.call('GET', path)
    t.same([status, json.code], [404, 'not_found'])
  }
})
