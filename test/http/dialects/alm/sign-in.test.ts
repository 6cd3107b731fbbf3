import t from 'tap'
import { expire } from '../../../support/database.ts'
import { holdUp } from '../../../support/hold-up.ts'
import { DIALECTS, startService } from '../../service.ts'
import { AlmClient, API, basic, cookieHeader, cookiesOf, entities, REST, send } from './client.ts'

const service = await startService(t)
const { port, keys } = service

const SIGN_IN = '/qcbin/api/authentication/sign-in'
const ALM_AUTHENTICATE = '/qcbin/authentication-point/alm-authenticate'
const AUTHENTICATE = '/qcbin/authentication-point/authenticate'
const OAUTH2 = '/qcbin/rest/oauth2/login'
const SITE_SESSION = '/qcbin/rest/site-session'
const IS_AUTHENTICATED = '/qcbin/rest/is-authenticated'
const EXPIRED = [
  'LWSSO_COOKIE_KEY=""; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/',
  'QCSession=""; Expires=Thu, 01-Jan-1970 00:00:10 GMT; Path=/',
]

/** As Java writes it. */
function authentication(user: string, password: string): string {
  return `<?xml version='1.0' encoding='utf-8'?><alm-authentication><user>${user}</user><password>${password}</password></alm-authentication>`
}

function post(path: string, type: string, body: string, headers: Record<string, string> = {}) {
  const length = String(Buffer.byteLength(body))
  return send(port, 'POST', path, { 'Content-Type': type, 'Content-Length': length, ...headers }, body)
}

async function isSignedIn(cookies: Record<string, string>): Promise<boolean> {
  const { status } = await send(port, 'GET', IS_AUTHENTICATED, { Cookie: cookieHeader(cookies) })
  return status === 200
}

t.test('sign-in sets all four cookies and has no body', async t => {
  const answer = await send(port, 'POST', SIGN_IN, { Authorization: basic('alice', keys.alice) })
  t.equal(answer.status, 200)
  t.equal(answer.text, '')
  t.equal(answer.headers['content-length'], '0')
  const cookies = cookiesOf(answer)
  t.same(answer.setCookies, [
    `LWSSO_COOKIE_KEY=${cookies.LWSSO_COOKIE_KEY};Path=/;HTTPOnly`,
    `QCSession=${cookies.QCSession};Path=/;HTTPOnly`,
    'ALM_USER=alice;Path=/',
    `XSRF-TOKEN=${cookies['XSRF-TOKEN']};Path=/`,
  ])
  t.ok(await isSignedIn(cookies))
})

t.test('whoever does not show a key of the user is not signed in', async t => {
  const shown: readonly (string | undefined)[] = [
    undefined,
    basic('alice', 'wrong'),
    basic('bob', keys.alice),
    basic('', keys.alice),
    `Bearer ${keys.alice}`,
    'Basic ?',
  ]
  for (const authorization of shown) {
    const headers = authorization === undefined ? {} : { Authorization: authorization }
    const answers = [
      await send(port, 'POST', SIGN_IN, headers),
      await send(port, 'GET', AUTHENTICATE, headers),
    ]
    for (const answer of answers) {
      t.equal(answer.status, 401, `${authorization}`)
      t.match(answer.headers['www-authenticate'], /^Basic realm="/)
      t.same(answer.setCookies, [])
    }
  }
  const answer = await send(port, 'POST', SIGN_IN)
  t.match(answer.json, { Id: 'qccore.general-error', ExceptionProperties: null, StackTrace: null })
})

t.test('alm-authenticate reads XML and JSON, and sets the one cookie', async t => {
  const bodies: readonly (readonly [string, string])[] = [
    ['application/xml', authentication('alice', keys.alice)],
    ['text/xml; charset=utf-8', authentication('alice', `<![CDATA[${keys.alice}]]>`)],
    ['application/json', JSON.stringify({ 'alm-authentication': { user: 'alice', password: keys.alice } })],
  ]
  for (const [type, body] of bodies) {
    const answer = await post(ALM_AUTHENTICATE, type, body)
    t.equal(answer.status, 200, '201 is what newer servers say, and one client takes for a failure')
    t.same(Object.keys(cookiesOf(answer)), ['LWSSO_COOKIE_KEY'])
    t.ok(await isSignedIn(cookiesOf(answer)))
  }
})

t.test('alm-authenticate refuses in its own scheme what is no sign-in', async t => {
  const wrong = await post(ALM_AUTHENTICATE, 'application/xml', authentication('alice', 'wrong'))
  t.match(wrong, { status: 401, headers: { 'www-authenticate': 'ALMAUTH' } })
  t.match(wrong.text, /<QCRestException><Id>qccore\.general-error<\/Id><Title>/)
  const empty = await send(port, 'POST', ALM_AUTHENTICATE, {
    'Content-Type': 'application/xml',
    'Content-Length': '0',
  })
  t.match(empty, { status: 401, headers: { 'www-authenticate': 'ALMAUTH' } })
  for (const body of [
    '<a>',
    '<alm-authentication/>',
    '<b><user>alice</user><password>x</password></b>',
    '<!DOCTYPE a [<!ENTITY b "c">]><alm-authentication><user>&b;</user></alm-authentication>',
  ]) {
    t.equal((await post(ALM_AUTHENTICATE, 'application/xml', body)).status, 400, body)
  }
  t.equal((await post(ALM_AUTHENTICATE, 'application/json', '{"alm-authentication":{}}')).status, 400)
  t.equal((await post(ALM_AUTHENTICATE, 'text/plain', 'alice')).status, 415)
  t.equal((await post(ALM_AUTHENTICATE, 'application/xml', ' '.repeat(70_000))).status, 413)
})

t.test('a name that XML and cookies have to escape is signed in as what it is', async t => {
  const user = `O'Ne<i>l & "ß"; =,\u0001é\u{1f512}`
  const key = await service.keyOf(user, 'locker')
  const client = await new AlmClient(service).signIn(user, key)
  t.match(client.cookies.ALM_USER, /^[\x21-\x7e]+$/)
  t.equal(decodeURIComponent(client.cookies.ALM_USER ?? ''), user)
  const { text } = await client.call('GET', IS_AUTHENTICATED)
  t.match(text, "<Username>O'Ne&lt;i&gt;l &amp; &quot;ß&quot;; =,\ufffdé\u{1f512}</Username>")
  await client.call('POST', API, { body: entities('named') })
  const bob = await new AlmClient(service).signIn('bob', keys.bob)
  const refused = await bob.call('POST', API, { body: entities('named') })
  t.ok(refused.json.Title.endsWith(`locked by user '${user}'`))

  const plain = `a&b<c>`
  const plainKey = await service.keyOf(plain, 'locker')
  const escaped = plain.replace('&', '&#38;').replace('<', '&lt;').replace('>', '&#x3E;')
  const answer = await post(ALM_AUTHENTICATE, 'application/xml', authentication(escaped, plainKey))
  t.equal(answer.status, 200)
})

t.test('authenticate wants Basic and sets the one cookie', async t => {
  const answer = await send(port, 'GET', AUTHENTICATE, { Authorization: basic('alice', keys.alice) })
  t.match(answer, { status: 200, text: '' })
  t.same(Object.keys(cookiesOf(answer)), ['LWSSO_COOKIE_KEY'])
})

t.test('oauth2 login takes a user and a key for client and secret, and sets all cookies', async t => {
  const login = (clientId: unknown, secret: unknown) =>
    post(OAUTH2, 'application/json', JSON.stringify({ clientId, secret }))
  const answer = await login('alice', keys.alice)
  t.match(answer, { status: 200, text: '' })
  t.same(Object.keys(cookiesOf(answer)), ['LWSSO_COOKIE_KEY', 'QCSession', 'ALM_USER', 'XSRF-TOKEN'])
  t.equal((await login('alice', keys.bob)).status, 401)
  t.equal((await login('alice', 5)).status, 400)
  t.equal((await post(OAUTH2, 'application/json', '')).status, 400)
  t.equal((await post(OAUTH2, 'application/xml', '<a/>')).status, 415)
  t.equal((await post(OAUTH2, 'application/json', ' '.repeat(70_000))).status, 413)
})

t.test('a site session is made with the client that the body names, or the User-Agent', async t => {
  const bodies: readonly (readonly [Record<string, string>, string, string | null])[] = [
    [
      { 'Content-Type': 'application/xml' },
      '<session-parameters><client-type>ALI_IDEA_plugin</client-type></session-parameters>',
      'ALI_IDEA_plugin',
    ],
    [{ 'Content-Type': 'application/json' }, '{"session-parameters":{"client-type":"web"}}', 'web'],
    [{ 'Content-Type': 'application/xml', 'User-Agent': 'Jakarta Commons-HttpClient/3.1' }, '', 'Jakarta'],
    [{ 'User-Agent': 'curl/8.5.0' }, '', 'curl/8.5.0'],
    [{}, '', null],
  ]
  const cookies = cookiesOf(
    await send(port, 'GET', AUTHENTICATE, { Authorization: basic('alice', keys.alice) }),
  )
  for (const [headers, body, client] of bodies) {
    const answer = await send(
      port,
      'POST',
      SITE_SESSION,
      { Cookie: cookieHeader(cookies), 'Content-Length': String(body.length), ...headers },
      body,
    )
    t.match(answer, { status: 201, text: '' })
    const set = cookiesOf(answer)
    t.same(Object.keys(set), ['QCSession', 'ALM_USER', 'XSRF-TOKEN'])
    await send(port, 'POST', `${REST}/defects/71/lock`, {
      Cookie: cookieHeader({ ...cookies, ...set }),
      'Content-Length': '0',
    })
    const lock = await service.stores.locks.find({ namespace: 'DEFAULT/REST', type: 'defect', id: '71' })
    t.equal(lock?.client, client)
    await send(port, 'DELETE', SITE_SESSION, { Cookie: cookieHeader({ ...cookies, ...set }) })
  }
  for (const [type, body, status] of [
    ['application/xml', '<a', 400],
    ['application/xml', `<a><client-type>${'x'.repeat(256)}</client-type></a>`, 400],
    ['text/plain', 'x', 415],
    ['application/xml', ' '.repeat(70_000), 413],
  ] as const) {
    const answer = await post(SITE_SESSION, type, body, { Cookie: cookieHeader(cookies) })
    t.equal(answer.status, status)
  }
})

t.test('what needs a sign-in is refused without one', async t => {
  const calls: readonly (readonly [string, string])[] = [
    ['POST', SITE_SESSION],
    ['GET', SITE_SESSION],
    ['PUT', SITE_SESSION],
    ['DELETE', SITE_SESSION],
    ['GET', IS_AUTHENTICATED],
    ['GET', API],
    ['GET', `${API}/`],
    ['POST', API],
    ['DELETE', API],
    ['GET', `${API}/1`],
    ['PUT', `${API}/1`],
    ['DELETE', `${API}/1`],
    ['GET', `${REST}/defects/1/lock`],
    ['POST', `${REST}/defects/1/lock`],
    ['DELETE', `${REST}/defects/1/lock`],
    ['GET', `${REST}/locks`],
    ['POST', `${REST}/locks`],
    ['DELETE', `${REST}/locks`],
    ['GET', `${REST}/locks/1`],
    ['PUT', `${REST}/locks/1`],
    ['DELETE', `${REST}/locks/1`],
  ]
  const alice = await new AlmClient(service).signIn('alice', keys.alice)
  const bob = await new AlmClient(service).signIn('bob', keys.bob)
  const { LWSSO_COOKIE_KEY: lwsso = '', QCSession: site = '' } = alice.cookies
  const cookies: readonly (readonly [string, string])[] = [
    ['none', ''],
    ['an unknown one', 'LWSSO_COOKIE_KEY=1234567890; QCSession=1234567890'],
    ['a site session alone', `QCSession=${site}`],
    ['a site session for a sign-in', `LWSSO_COOKIE_KEY=${site}`],
    ["somebody else's site session", `LWSSO_COOKIE_KEY=${lwsso}; QCSession=${bob.cookies.QCSession}`],
  ]
  for (const [what, cookie] of cookies) {
    for (const [method, path] of calls) {
      const headers = { 'Content-Length': '0', ...(cookie !== '' && { Cookie: cookie }) }
      const answer = await send(port, method, path, headers)
      t.equal(answer.status, 401, `${method} ${path} with ${what}`)
      t.equal(answer.headers['www-authenticate'], 'LWSSO realm="/qcbin/authentication-point"')
    }
  }
})

t.test('the address to sign in at is whole where a proxy says how it was reached', async t => {
  const answer = await send(port, 'GET', IS_AUTHENTICATED, {
    Host: 'alm.example:8443',
    'X-Forwarded-Proto': 'https',
  })
  t.equal(
    answer.headers['www-authenticate'],
    'LWSSO realm="https://alm.example:8443/qcbin/authentication-point"',
  )
  const odd = await send(port, 'GET', IS_AUTHENTICATED, { Host: 'a"b', 'X-Forwarded-Proto': 'https' })
  t.equal(odd.headers['www-authenticate'], 'LWSSO realm="/qcbin/authentication-point"')
})

t.test('is-authenticated says who, in XML alone', async t => {
  const client = await new AlmClient(service).signIn('alice', keys.alice)
  for (const accept of [undefined, '*/*', 'application/xml', 'text/html, application/xml;q=0.9']) {
    const answer = await client.call('GET', IS_AUTHENTICATED, {
      headers: accept === undefined ? {} : { Accept: accept },
    })
    t.equal(answer.status, 200)
    t.equal(answer.headers['content-type'], 'application/xml')
    t.match(
      answer.text,
      /^<\?xml .*\?><AuthenticationInfo><Username>alice<\/Username><\/AuthenticationInfo>$/,
    )
  }
  const json = await client.call('GET', IS_AUTHENTICATED, { headers: { Accept: 'application/json' } })
  t.match(json, { status: 406, json: { Id: 'qccore.general-error' } })
})

t.test('GET and PUT of the site session are a sign of life, and tell its end', async t => {
  const client = await new AlmClient(service).signIn('alice', keys.alice)
  for (const method of ['GET', 'PUT']) {
    await service.stores.sql(
      `update sessions set last_touch = last_touch - interval '1 minute', started = started - interval '2 minutes'`,
    )
    t.match(await client.call(method, SITE_SESSION), { status: 200, text: '' })
    const [row] = await service.stores.sql<{ fresh: number }>(
      `select count(*)::int as fresh from sessions where last_touch > now() - interval '30 seconds'`,
    )
    t.equal(row?.fresh, 2, 'sign-in and site session')
  }
  const { QCSession } = client.cookies
  const ended = await client.call('DELETE', SITE_SESSION)
  t.match(ended, { status: 200, text: '', setCookies: EXPIRED.slice(1) })
  for (const cookies of [client.cookies, { ...client.cookies, QCSession: QCSession ?? '' }]) {
    const answer = await send(port, 'GET', SITE_SESSION, {
      Cookie: cookieHeader(cookies),
      Accept: 'application/json',
    })
    t.match(answer, { status: 401, json: { Id: 'qccore.session-has-expired' } })
  }
  t.equal((await client.call('GET', IS_AUTHENTICATED)).status, 200, 'the sign-in goes on')
  t.equal((await client.call('DELETE', SITE_SESSION)).status, 200, 'the end can be repeated')
})

t.test('the end of a site session, and both ways to sign out, release its locks', async t => {
  const ways: readonly (readonly [string, string, boolean])[] = [
    ['DELETE', SITE_SESSION, true],
    ['GET', '/qcbin/authentication-point/logout', false],
    ['POST', '/qcbin/authentication-point/logout', false],
    ['GET', '/qcbin/api/authentication/sign-out', false],
    ['POST', '/qcbin/api/authentication/sign-out', false],
  ]
  const bob = await new AlmClient(service).signIn('bob', keys.bob)
  for (const [method, path, isSignedInAfter] of ways) {
    const client = await new AlmClient(service).signIn('alice', keys.alice)
    const own = { ...client.cookies }
    t.equal((await client.call('POST', API, { body: entities(801) })).status, 201)
    await client.call('POST', SITE_SESSION)
    t.equal((await client.call('POST', API, { body: entities(802) })).status, 201)
    t.not(client.cookies.QCSession, own.QCSession)
    const cookies = { ...client.cookies }
    const answer = await client.call(method, path)
    t.match(answer, { status: 200, text: '' })
    t.same(answer.setCookies, isSignedInAfter ? EXPIRED.slice(1) : EXPIRED)
    t.equal(await isSignedIn(cookies), isSignedInAfter)
    t.equal((await bob.call('POST', API, { body: entities(802) })).status, 201)
    const other = await bob.call('POST', API, { body: entities(801) })
    t.equal(
      other.status,
      isSignedInAfter ? 403 : 201,
      'signing out ends the session made with the sign-in too',
    )
    await bob.call('DELETE', SITE_SESSION)
    if (isSignedInAfter)
      await send(port, 'GET', '/qcbin/authentication-point/logout', { Cookie: cookieHeader(cookies) })
  }
  t.match(await send(port, 'GET', '/qcbin/authentication-point/logout'), { status: 200, setCookies: EXPIRED })
})

t.test('signing out ends the site session also where the sign-in has ended already', async t => {
  const client = await new AlmClient(service).signIn('alice', keys.alice)
  await client.call('POST', API, { body: entities(803) })
  await service.stores.sql(`delete from sessions where client = 'ALM sign-in'`)
  await client.call('GET', '/qcbin/authentication-point/logout')
  t.equal(
    await service.stores.locks.find({ namespace: 'DEFAULT/REST', type: 'defect', id: '803' }),
    undefined,
  )
})

t.test('a client that never sends QCSession has one site session all the same', async t => {
  const { LWSSO_COOKIE_KEY = '' } = cookiesOf(
    await send(port, 'GET', AUTHENTICATE, { Authorization: basic('alice', keys.alice) }),
  )
  const headers = { Cookie: `LWSSO_COOKIE_KEY=${LWSSO_COOKIE_KEY}`, 'Content-Length': '0' }
  const answers = [
    await send(port, 'POST', `${REST}/defects/91/lock`, headers),
    await send(port, 'POST', `${REST}/defects/92/lock`, headers),
  ]
  for (const answer of answers) {
    t.equal(answer.status, 200)
    t.same(Object.keys(cookiesOf(answer)), ['LWSSO_COOKIE_KEY', 'QCSession', 'XSRF-TOKEN'])
  }
  const locks = await service.stores.locks.list({ namespace: 'DEFAULT/REST', idPrefix: '9', limit: 10 })
  t.equal(locks.length, 2)
  t.equal(new Set(locks.map(({ sessionId }) => sessionId)).size, 1)
  await send(port, 'GET', '/qcbin/authentication-point/logout', headers)
  t.same(await service.stores.locks.list({ namespace: 'DEFAULT/REST', idPrefix: '9', limit: 10 }), [])
})

t.test('a site session that has ended is replaced without a word, and its locks are gone', async t => {
  const client = await new AlmClient(service).signIn('alice', keys.alice)
  await client.call('POST', SITE_SESSION)
  const before = client.cookies.QCSession
  await client.call('POST', API, { body: entities(5) })
  await service.stores.sql(
    `delete from sessions s using locks l where l.session_id = s.id and l.resource_id = '5'`,
  )
  const status = await client.call('GET', `${REST}/defects/5/lock`, {
    headers: { Accept: 'application/json' },
  })
  t.same(status.json, { LockStatus: 'UNLOCKED', LockedByMe: false })
  t.not(client.cookies.QCSession, before, 'the answer set another')
  t.equal((await client.call('POST', API, { body: entities(5) })).status, 201)
  t.equal((await client.call('GET', SITE_SESSION)).status, 200)
})

t.test('whoever is silent for too long is signed out, and has lost the locks', async t => {
  const client = await new AlmClient(service).signIn('alice', keys.alice)
  await client.call('POST', API, { body: entities(6) })
  const ttls = await service.stores.sql('select distinct extract(epoch from ttl)::int as ttl from sessions')
  t.same(ttls, [{ ttl: 3600 }])
  await expire(service.stores)
  t.equal((await client.call('GET', API)).status, 401)
  const bob = await new AlmClient(service).signIn('bob', keys.bob)
  t.equal((await bob.call('POST', API, { body: entities(6) })).status, 201)
})

t.test('a revoked key ends what was signed in with it', async t => {
  const { key, apiKey } = await service.services.keys.create(
    { keyId: '0', user: 'root', role: 'admin', namespace: '*' },
    { user: 'carol', role: 'locker', namespace: '*', ttlSeconds: null },
  )
  const client = await new AlmClient(service).signIn('carol', key)
  t.equal((await client.call('GET', API)).status, 200)
  await service.stores.sql('update api_keys set revoked_at = now() where id = $1', [apiKey.id])
  t.equal((await client.call('GET', API)).status, 401)
})

t.test('no cookie is stored, and what is handed out elsewhere is no sign-in here', async t => {
  const client = await new AlmClient(service).signIn('alice', keys.alice)
  const rows = await service.stores.sql<{ text: string }>('select s::text as text from sessions s')
  for (const value of Object.values(client.cookies).filter(value => value !== 'alice')) {
    t.notOk(rows.some(({ text }) => text.includes(value)))
  }
  const principal = await service.services.signIns.verify('alice', keys.alice, 'here')
  if (principal === undefined) throw new Error('the key is not in force')
  const { secret } = await service.services.signIns.open(principal, { ttlSeconds: 60, client: 'elsewhere' })
  t.equal(await isSignedIn({ LWSSO_COOKIE_KEY: secret }), false)
})

t.test('a wrong XSRF token is refused, none is not, unless the settings want one', async t => {
  const strict = await startService(t, {
    dialects: { ...DIALECTS, alm: { ...DIALECTS.alm, requiresXsrfToken: true } },
  })
  for (const [what, { port, keys }, missing] of [
    ['usual', service, 201],
    ['strict', strict, 401],
  ] as const) {
    const client = new AlmClient({ port })
    const alm = cookiesOf(
      await send(port, 'GET', AUTHENTICATE, { Authorization: basic('alice', keys.alice) }),
    )
    client.cookies = { ...alm }
    const made = await client.call('POST', SITE_SESSION, {
      headers: { 'X-XSRF-TOKEN': 'of an earlier time' },
    })
    t.equal(made.status, 201, 'whatever hands out the token does not want it')
    const lock = (headers: Record<string, string>) =>
      client.call('POST', API, { body: entities(12), headers })
    t.equal((await lock({})).status, missing, `${what}: missing`)
    const wrong = await lock({ 'X-XSRF-TOKEN': '1234567890' })
    t.equal(wrong.status, 401, `${what}: wrong`)
    t.same(wrong.json, {
      Id: 'qccore.general-error',
      Title: 'Unauthorized request. For more details see XSRF Token section in REST API documentation.',
      ExceptionProperties: null,
      StackTrace: null,
    })
    t.equal(
      (await lock({ 'X-XSRF-TOKEN': client.cookies['XSRF-TOKEN'] ?? '' })).status,
      201,
      `${what}: right`,
    )
    t.equal(
      (await client.call('GET', API, { headers: { 'X-XSRF-TOKEN': 'x' } })).status,
      200,
      'GET changes nothing',
    )
    t.equal((await client.call('POST', '/qcbin/authentication-point/logout')).status, 200)
  }
})

t.test('trouble after the first of two changes does not say that nothing was changed', async t => {
  const slow = await startService(t, { stores: { lockTimeoutMs: 50 } })
  const alice = await new AlmClient(slow).signIn('alice', slow.keys.alice)
  await alice.call('POST', API, { body: entities(2) })
  const Authorization = basic('alice', slow.keys.alice)
  const isKnown = /nothing was changed/
  const isUnknown = /whether the change happened is not known/
  const clients = () => slow.stores.sql('select client from sessions order by client')

  await t.test('a sign-out that has ended the site session', async t => {
    const letGo = await holdUp(
      t,
      slow.stores,
      'update on sessions',
      `new.ended_at is not null and new.client = 'ALM sign-in'`,
    )
    const { status, text } = await alice.call('GET', '/qcbin/authentication-point/logout')
    t.equal(status, 504)
    t.match(text, isUnknown)
    t.same(await clients(), [{ client: 'ALM sign-in' }], 'the other is gone')
    t.same(await slow.stores.sql('select id from locks'), [], 'and its lock')
    // now the sign-in is the only one to end
    t.match((await alice.call('GET', '/qcbin/authentication-point/logout')).text, isKnown)
    await letGo()
    t.equal((await alice.call('GET', '/qcbin/authentication-point/logout')).status, 200)
    t.same(await clients(), [])
  })

  await t.test('a sign-in that was opened without its site session', async t => {
    await holdUp(t, slow.stores, 'insert on sessions', `new.client is distinct from 'ALM sign-in'`)
    const { status, json } = await new AlmClient(slow).call('POST', SIGN_IN, { headers: { Authorization } })
    t.equal(status, 504)
    t.match(json.Title, isUnknown)
    t.same(await clients(), [{ client: 'ALM sign-in' }])
  })

  await t.test('a sign-in alone is one change', async t => {
    await holdUp(t, slow.stores, 'insert on sessions', 'true')
    const { status, text } = await new AlmClient(slow).call('GET', AUTHENTICATE, {
      headers: { Authorization },
    })
    t.equal(status, 504)
    t.match(text, isKnown)
  })
})
