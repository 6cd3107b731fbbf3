import t from 'tap'
import { readCredentials } from '../../src/http/authentication.ts'
import { startService } from './service.ts'

const service = await startService(t)
const { alice } = service.keys

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const statusWith = async (authorization: string) =>
  (await service.call('GET', '/v1/sessions', { headers: { authorization } })).status

t.test('a key opens as Bearer and as Basic, whatever the case of the scheme', async t => {
  t.equal(await statusWith(`Bearer ${alice}`), 200)
  t.equal(await statusWith(`bearer  ${alice}`), 200)
  t.equal(await statusWith(basic(`alice:${alice}`)), 200)
  t.equal(await statusWith(basic(`alice:${alice}`).replace('Basic', 'BASIC')), 200)
})

t.test('without a key the answer is 401 with both challenges', async t => {
  const { status, headers, json } = await service.call('GET', '/v1/sessions')
  t.equal(status, 401)
  t.equal(json.code, 'unauthenticated')
  t.equal(
    headers.get('www-authenticate'),
    'Bearer realm="leasehold", Basic realm="leasehold", charset="UTF-8"',
  )
})

const REFUSED = {
  'an unknown key': `Bearer ${'x'.repeat(43)}`,
  'another scheme': `Digest ${alice}`,
  'a scheme without a key': 'Bearer',
  'an empty key': 'Bearer ',
  'two keys': `Bearer ${alice} ${alice}`,
  'a key without a scheme': alice,
  'Basic with another user': basic(`bob:${alice}`),
  'Basic with the user in another case': basic(`Alice:${alice}`),
  'Basic without a user': basic(`:${alice}`),
  'Basic without a colon': basic(alice),
  'Basic that is no base64': 'Basic ####',
  'Basic that is not UTF-8': `Basic ${Buffer.from([0xff, 0x3a, 0x61]).toString('base64')}`,
}
for (const [what, authorization] of Object.entries(REFUSED)) {
  t.test(`${what} is 401`, async t => t.equal(await statusWith(authorization), 401))
}

t.test('a key that was revoked is refused at once on the replica that was told', async t => {
  const { json: made } = await service.call('POST', '/v1/keys', {
    key: service.keys.admin,
    body: { user: 'carol', role: 'locker', namespace: '*' },
  })
  t.equal(await statusWith(`Bearer ${made.key}`), 200)
  await service.call('DELETE', `/v1/keys/${made.id}`, { key: service.keys.admin })
  t.equal(await statusWith(`Bearer ${made.key}`), 401)
})

t.test('a key that was revoked by hand is refused', async t => {
  const key = await service.keyOf('dave', 'locker')
  await service.stores.sql('update api_keys set revoked_at = now()')
  t.equal(await statusWith(`Bearer ${key}`), 401)
})

t.test('credentials are read with every visible character that an operator may choose', async t => {
  t.same(readCredentials('Bearer p@ss:w%rd!'), { key: 'p@ss:w%rd!', user: undefined })
  t.same(readCredentials(basic('ädmin:a:b')), { user: 'ädmin', key: 'a:b' })
})

t.test('no key and no header ever reaches the log', async t => {
  t.notMatch(JSON.stringify(service.log), new RegExp(alice))
  t.notMatch(JSON.stringify(service.log), /authorization/i)
})
