import t from 'tap'
import { exchange } from '../raw-socket.ts'
import { LOCKS, startService } from '../service.ts'

/**
 * Every bad input is refused with the place named, and leaves no trace in the database. Bodies are written out:
 * JSON.stringify could not make most of them.
 */

const service = await startService(t)
const { admin } = service.keys

const ONE = '"resources":[{"type":"a","id":"b"}]'
const long = (bytes: number) => 'é'.repeat(bytes / 2)

const BODIES: readonly (readonly [what: string, body: string | Buffer, field: string | RegExp])[] = [
  ['an array', '[]', 'body'],
  ['null', 'null', 'body'],
  ['a number', '1', 'body'],
  ['no resources', '{}', 'resources'],
  ['resources that are no list', '{"resources":{}}', 'resources'],
  ['an empty list', '{"resources":[]}', 'resources'],
  [
    'too many resources',
    JSON.stringify({ resources: Array(1001).fill({ type: 'a', id: 'b' }) }),
    'resources',
  ],
  ['a resource twice', '{"resources":[{"type":"a","id":"b"},{"type":"a","id":"b"}]}', 'resources[1]'],
  ['a resource that is a string', '{"resources":["a"]}', 'resources[0]'],
  ['a resource without id', '{"resources":[{"type":"a","id":"b"},{"type":"a"}]}', 'resources[1].id'],
  ['an id that is a number', '{"resources":[{"type":"a","id":2}]}', 'resources[0].id'],
  ['an id that is null', '{"resources":[{"type":"a","id":null}]}', 'resources[0].id'],
  ['an empty id', '{"resources":[{"type":"a","id":""}]}', 'resources[0].id'],
  ['an empty type', '{"resources":[{"type":"","id":"b"}]}', 'resources[0].type'],
  ['an id past 1,024 bytes', `{"resources":[{"type":"a","id":"${long(1026)}"}]}`, 'resources[0].id'],
  ['a type past 255 bytes', `{"resources":[{"type":"${long(256)}","id":"b"}]}`, 'resources[0].type'],
  ['an unknown field', `{${ONE},"ttll":3}`, 'ttll'],
  [
    'an unknown field of a resource',
    '{"resources":[{"type":"a","id":"b","parent":"c"}]}',
    'resources[0].parent',
  ],
  ['a ttl of 0', `{${ONE},"ttl":0}`, 'ttl'],
  ['a negative ttl', `{${ONE},"ttl":-1}`, 'ttl'],
  ['a ttl past a day', `{${ONE},"ttl":86401}`, 'ttl'],
  ['a ttl of microseconds', `{${ONE},"ttl":1.0001}`, 'ttl'],
  ['a ttl in quotes', `{${ONE},"ttl":"30"}`, 'ttl'],
  ['a ttl that overflows', `{${ONE},"ttl":1e999}`, 'ttl'],
  ['a ttl of null without a session', `{${ONE},"ttl":null}`, 'ttl'],
  ['a session that is no UUID', `{${ONE},"session":"x"}`, 'session'],
  ['a session in braces', `{${ONE},"session":"{b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11}"}`, 'session'],
  ['an unknown reentry', `{${ONE},"reentry":"client"}`, 'reentry'],
  ['a takeover in quotes', `{${ONE},"takeover":"true"}`, 'takeover'],
  ['a takeover without a reason', `{${ONE},"takeover":true}`, 'reason'],
  ['an empty reason', `{${ONE},"takeover":true,"reason":""}`, 'reason'],
  ['a reason past 1,024 bytes', `{${ONE},"reason":"${long(1026)}"}`, 'reason'],
  ['metadata that is a list', `{${ONE},"metadata":[]}`, 'metadata'],
  ['metadata past 4,096 bytes', `{${ONE},"metadata":{"a":"${long(4096)}"}}`, 'metadata'],
  ['a reference past 255 bytes', `{${ONE},"reference":"${long(256)}"}`, 'reference'],
  ['an empty reference', `{${ONE},"reference":""}`, 'reference'],
  ['a client past 255 bytes', `{${ONE},"client":"${long(256)}"}`, 'client'],
  ['ends_with_last_lock without a session', `{${ONE},"ends_with_last_lock":true}`, 'ends_with_last_lock'],
  ['NUL in an id', '{"resources":[{"type":"a","id":"b\\u0000"}]}', 'resources[0].id'],
  ['a lone surrogate in an id', '{"resources":[{"type":"a","id":"\\ud800"}]}', 'resources[0].id'],
  ['NUL deep in metadata', `{${ONE},"metadata":{"a":{"b":["\\u0000"]}}}`, 'metadata.a.b[0]'],
  ['a lone surrogate in a name', `{${ONE},"metadata":{"a":{"\\udc00":1}}}`, 'metadata.a["\\udc00"]'],
  ['__proto__', `{${ONE},"__proto__":{"takeover":true}}`, '__proto__'],
  ['__proto__ in metadata', `{${ONE},"metadata":{"__proto__":1}}`, 'metadata.__proto__'],
  ['an integer that would lose digits', `{${ONE},"metadata":{"n":9007199254740993}}`, 'metadata.n'],
  ['a number that PostgreSQL would write out', `{${ONE},"metadata":{"n":1e-300}}`, 'metadata.n'],
  [
    'metadata of 17 levels',
    `{${ONE},"metadata":${'{"a":'.repeat(15)}{}${'}'.repeat(15)}}`,
    /^metadata(\.a)+$/,
  ],
  ['a field twice', `{${ONE},"ttl":30,"ttl":3600}`, 'ttl'],
  ['a body that is cut off', `{${ONE}`, 'resources'],
  ['a body with rubbish after it', `{${ONE}}}`, 'body'],
  ['bytes that are not UTF-8', Buffer.from(`{${ONE},"client":"\xff"}`, 'latin1'), 'body'],
]

const GET_PATHS: readonly (readonly [what: string, path: string, field: string])[] = [
  ['an empty filter', `${LOCKS}?holder=`, 'query holder'],
  ['a limit of 0', `${LOCKS}?limit=0`, 'query limit'],
  ['a limit past 1,000', `${LOCKS}?limit=1001`, 'query limit'],
  ['a limit in hexadecimal', `${LOCKS}?limit=0x10`, 'query limit'],
  ['a limit with a space', `${LOCKS}?limit=+5`, 'query limit'],
  ['a cursor of another list', `${LOCKS}?cursor=${Buffer.from('x').toString('base64url')}`, 'query cursor'],
  ['a cursor that is no base64', `${LOCKS}?cursor=***`, 'query cursor'],
  ['an empty cursor', `${LOCKS}?cursor=`, 'query cursor'],
  ['a session filter that is no UUID', `${LOCKS}?session=1`, 'query session'],
  ['an id filter past 1,024 bytes', `${LOCKS}?id=${'x'.repeat(1025)}`, 'query id'],
  ['a filter that nobody knows', `${LOCKS}?holders=alice`, 'query holders'],
  ['a namespace past 255 bytes', `/v1/namespaces/${'x'.repeat(256)}/locks`, 'path namespace'],
  ['a lock that is no number', `${LOCKS}/abc`, 'path lock'],
  ['a lock of 0', `${LOCKS}/0`, 'path lock'],
  ['a lock with a leading zero', `${LOCKS}/01`, 'path lock'],
  ['a lock past 64 bits', `${LOCKS}/9223372036854775808`, 'path lock'],
  ['a session that is no UUID', '/v1/sessions/1', 'path session'],
  ['a malformed escape', '/v1/namespaces/a%E0%A4%A/locks', 'path'],
  ['an escape that is not UTF-8', '/v1/namespaces/a%ff/locks', 'path'],
  ['an overlong escape', '/v1/namespaces/a%c0%af/locks', 'path'],
  ['NUL in a namespace', '/v1/namespaces/a%00/locks', 'path'],
  ['NUL in a filter', `${LOCKS}?id=a%00`, 'query'],
]

const OTHERS: readonly (readonly [
  what: string,
  method: string,
  path: string,
  body: object | undefined,
  field: string,
])[] = [
  ['a session with an empty client', 'POST', '/v1/sessions', { client: '' }, 'client'],
  ['a session of half a second', 'POST', '/v1/sessions', { ttl: 0.5 }, 'ttl'],
  ['a session with another id', 'POST', '/v1/sessions', { id: 'mine' }, 'id'],
  ['a key without a role', 'POST', '/v1/keys', { user: 'x', namespace: '*' }, 'role'],
  ['a key with another role', 'POST', '/v1/keys', { user: 'x', role: 'root', namespace: '*' }, 'role'],
  [
    'a key for a user with a colon',
    'POST',
    '/v1/keys',
    { user: 'a:b', role: 'viewer', namespace: '*' },
    'user',
  ],
  [
    'a key for half a second',
    'POST',
    '/v1/keys',
    { user: 'x', role: 'viewer', namespace: '*', ttl: 0.5 },
    'ttl',
  ],
  ['a key that is no number', 'DELETE', '/v1/keys/x', undefined, 'path key'],
  ['a release by force without a reason', 'DELETE', `${LOCKS}/1?force=true`, undefined, 'query reason'],
  ['a release with another force', 'DELETE', `${LOCKS}/1?force=yes&reason=x`, undefined, 'query force'],
  ['a release with an empty reason', 'DELETE', `${LOCKS}/1?force=true&reason=`, undefined, 'query reason'],
]

const everything = () =>
  service.stores.sql(
    `select (select jsonb_agg(l order by id) from locks l) as locks,
       (select jsonb_agg(s order by id) from sessions s) as sessions,
       (select jsonb_agg(k.id order by k.id) from api_keys k) as keys,
       (select last_value from fencing_token_seq) as token`,
  )

const held = await service.call('POST', LOCKS, {
  key: service.keys.alice,
  body: { resources: [{ type: 'kept', id: '1' }], session: crypto.randomUUID(), ttl: 3600 },
})
if (held.status !== 201) throw new Error(held.text)
const before = await everything()

for (const [what, body, field] of BODIES) {
  t.test(`an acquire with ${what} is 400 and names ${field}`, async t => {
    const response = await fetch(service.url + LOCKS, {
      method: 'POST',
      headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
      body,
    })
    const problem = (await response.json()) as { code: string; errors: { field: string }[] }
    t.equal(response.status, 400)
    t.equal(problem.code, 'invalid_request')
    t.match(problem.errors[0]?.field, field)
    if (typeof field === 'string') t.equal(problem.errors[0]?.field, field)
  })
}

for (const [what, path, field] of GET_PATHS) {
  t.test(`${what} is 400 and names ${field}`, async t => {
    const answer = await exchange(
      service.port,
      Buffer.from(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${admin}\r\n\r\n`,
        'latin1',
      ),
    )
    t.match(answer, /^HTTP\/1\.1 400 /)
    const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
    t.equal(problem.errors[0].field, field)
  })
}

for (const [what, method, path, body, field] of OTHERS) {
  t.test(`${what} is 400 and names ${field}`, async t => {
    const { status, json } = await service.call(method, path, { key: admin, body })
    t.equal(status, 400)
    t.equal(json.errors[0].field, field)
  })
}

t.test('no more than twenty wrong fields are named', async t => {
  const { json } = await service.call('POST', LOCKS, { key: admin, body: { resources: Array(999).fill(1) } })
  t.equal(json.errors.length, 20)
})

t.test('none of them changed a row or drew a token', async t => {
  t.same(await everything(), before)
  t.equal(service.log.filter(line => Number(line.status) >= 500).length, 0)
})
