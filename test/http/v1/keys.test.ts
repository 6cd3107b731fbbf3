import t from 'tap'
import { documentedAnswers, LOCKS, startService } from '../service.ts'

const service = await startService(t)
const { admin, alice } = service.keys

const create = (key: string, body: object) => service.call('POST', '/v1/keys', { key, body })

t.test('a key is made and shown once, and only its hash is kept', async t => {
  const { status, headers, json } = await create(admin, { user: 'carol', role: 'locker', namespace: 'A/B' })
  t.equal(status, 201)
  t.match(json, {
    id: /^\d+$/,
    key: /^lh_[\w-]{43}$/,
    user: 'carol',
    role: 'locker',
    namespace: 'A/B',
    expires_at: null,
    created: /Z$/,
  })
  t.equal(headers.get('location'), `/v1/keys/${json.id}`)
  const rows = await service.stores.sql('select * from api_keys k join users u on u.id = k.user_id')
  t.notMatch(JSON.stringify(rows), json.key)
  t.notMatch(JSON.stringify(service.log), json.key)
  t.equal((await service.call('GET', '/v1/namespaces/A%2FB/locks', { key: json.key })).status, 200)
  t.equal((await service.call('GET', LOCKS, { key: json.key })).status, 403)
})

t.test('a key with a ttl expires', async t => {
  const { json } = await create(admin, { user: 'dave', role: 'viewer', namespace: '*', ttl: 3600 })
  t.equal(Date.parse(json.expires_at) - Date.parse(json.created), 3_600_000)
  await service.stores.sql(`update api_keys set expires_at = now() where id = $1`, [json.id])
  t.equal((await service.call('GET', LOCKS, { key: json.key })).status, 401)
})

t.test('the keys in force are listed in pages, without their secrets', async t => {
  const found: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const query: string = `?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`
    const { status, json, text } = await service.call('GET', `/v1/keys${query}`, { key: admin })
    t.equal(status, 200)
    t.notMatch(text, /lh_|hash/)
    found.push(...json.keys.map((key: { user: string }) => key.user))
    cursor = json.next_cursor
  }
  t.same(found, ['root', 'alice', 'bob', 'victor', 'carol'])
})

t.test('a revoked key opens nothing, and cannot be revoked again', async t => {
  const { json } = await create(admin, { user: 'erin', role: 'locker', namespace: '*' })
  t.equal((await service.call('GET', LOCKS, { key: json.key })).status, 200)
  t.equal((await service.call('DELETE', `/v1/keys/${json.id}`, { key: admin })).status, 204)
  t.equal((await service.call('GET', LOCKS, { key: json.key })).status, 401)
  const again = await service.call('DELETE', `/v1/keys/${json.id}`, { key: admin })
  t.equal(again.status, 404)
  t.equal(again.json.code, 'key_not_found')
})

t.test('keys are for administrators of every namespace alone', async t => {
  const local = await service.keyOf('frank', 'admin', 'DEFAULT/REST')
  for (const key of [alice, local]) {
    t.equal((await create(key, { user: 'x', role: 'viewer', namespace: '*' })).status, 403)
    t.equal((await service.call('GET', '/v1/keys', { key })).status, 403)
    t.equal((await service.call('DELETE', '/v1/keys/1', { key })).status, 403)
  }
})

t.test('every documented answer of these calls was seen', async t => {
  for (const answer of documentedAnswers('createKey', 'listKeys', 'revokeKey')) {
    t.ok(service.seen.has(answer), answer)
  }
})
