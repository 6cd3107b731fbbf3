import t from 'tap'
import { expire } from '../../../support/database.ts'
import { startService } from '../../service.ts'
import { basic, locksAt, PolarisClient, SIGN_IN } from './client.ts'

t.test('a sign-in hands out a token and tells who it is for', async t => {
  const service = await startService(t)
  const client = new PolarisClient(service)
  const headers = basic('iii.com\\alice', await client.keyOf('alice'))
  const { status, json, text } = await client.call('POST', SIGN_IN, { headers })
  t.equal(status, 200)
  t.match(json.AccessToken, /^[0-9a-f]{32}$/)
  t.match(json.AccessSecret, /^[0-9a-f]{16}$/)
  const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?\+00:00$/
  t.match(json.AuthExpDate, DATE)
  t.match(json.PolarisUser.CreationDate, DATE)
  const [ends] = await service.stores.sql<{ same: boolean }>(
    `select date_trunc('milliseconds', expires_at) = $1::timestamptz as same from sessions where secret_hash is not null`,
    [json.AuthExpDate],
  )
  t.equal(ends?.same, true, 'AuthExpDate is when the session expires')
  const number = await service.services.users.numberOf('alice')
  t.equal(
    text,
    JSON.stringify({
      SiteDomain: 'polaris',
      UserDomain: 'iii.com',
      AccessToken: json.AccessToken,
      AccessSecret: json.AccessSecret,
      AuthExpDate: json.AuthExpDate,
      PolarisUser: {
        PolarisUserID: number,
        OrganizationID: 1,
        Name: 'alice',
        BranchID: null,
        Enabled: true,
        CreatorID: 1,
        ModifierID: null,
        CreationDate: json.PolarisUser.CreationDate,
        ModificationDate: null,
      },
      ERMSNetworkAddress: '',
      DataSource: '',
    }),
  )
})

t.test('neither half of a token is stored', async t => {
  const service = await startService(t)
  const { token, secret } = await new PolarisClient(service).signIn('alice')
  const [row] = await service.stores.sql<{ found: boolean }>(
    `select bool_or(position($1 in s::text) > 0 or position($2 in s::text) > 0) as found from sessions s`,
    [token, secret],
  )
  t.equal(row?.found, false)
  t.notMatch(JSON.stringify(service.log), new RegExp(`${token}|${secret}`))
})

t.test('who may sign in', async t => {
  const service = await startService(t)
  const client = new PolarisClient(service)
  const key = await client.keyOf('alice')
  const signIn = (user: string, password: string) =>
    client.call('POST', SIGN_IN, { headers: basic(user, password) })

  await t.test('the domain can be left out, and any is taken', async t => {
    t.match(await signIn('alice', key), { status: 200, json: { UserDomain: '' } })
    t.match(await signIn('ELSEWHERE\\alice', key), { status: 200, json: { UserDomain: 'ELSEWHERE' } })
  })

  await t.test('a name of another, a wrong key and none are 401', async t => {
    const refused = [
      await signIn('iii.com\\bob', key),
      await signIn('iii.com\\alice', `${key}x`),
      await signIn('iii.com\\', key),
      await signIn('alice', ''),
      await client.call('POST', SIGN_IN),
      await client.call('POST', SIGN_IN, { headers: { authorization: 'Basic %' } }),
      await client.call('POST', SIGN_IN, { headers: { authorization: `Bearer ${key}` } }),
    ]
    for (const answer of refused) {
      t.match(answer, { status: 401, json: { ErrorCode: 401, StackTrace: null, InnerException: null } })
      t.match(answer.headers.get('www-authenticate'), /^Basic realm=/)
    }
  })

  await t.test('a key may be shown as a Bearer token in its own place', async t => {
    const answer = await client.call('POST', `${SIGN_IN}/oauth`, {
      headers: { authorization: `Bearer ${key}` },
    })
    t.match(answer, { status: 200, json: { UserDomain: '', PolarisUser: { Name: 'alice' } } })
    const { AccessToken, AccessSecret } = answer.json
    const listed = await client.call('GET', locksAt(1), {
      headers: { authorization: `PAS polaris:${AccessToken}:${AccessSecret}` },
    })
    t.equal(listed.status, 200)
    for (const authorization of [`Bearer ${key}x`, basic('alice', key).authorization ?? '']) {
      const refused = await client.call('POST', `${SIGN_IN}/oauth`, { headers: { authorization } })
      t.equal(refused.status, 401)
      t.match(refused.headers.get('www-authenticate'), /^Bearer realm=/)
    }
  })

  await t.test('a body, of whatever type, is not looked at', async t => {
    for (const type of ['application/json', 'text/plain', 'application/xml']) {
      const answer = await client.call('POST', SIGN_IN, {
        headers: { ...basic('alice', key), 'content-type': type },
        lines: '<anything/>',
      })
      t.equal(answer.status, 200)
    }
  })
})

t.test('what a token is good for', async t => {
  const service = await startService(t)
  const client = new PolarisClient(service)
  const alice = await client.workstation('alice', 15)

  await t.test('the name of the scheme is read in any case, and any site', async t => {
    for (const authorization of [
      `pas polaris:${alice.token}:${alice.secret}`,
      `PAS Main-Library:${alice.token}:${alice.secret}`,
      `PAS  polaris:${alice.token}:${alice.secret}`,
    ]) {
      t.equal((await client.call('GET', locksAt(15), { headers: { authorization } })).status, 200)
    }
  })

  await t.test('another half of a token does not fit', async t => {
    const other = await client.workstation('alice', 15)
    for (const authorization of [
      `PAS polaris:${alice.token}:${other.secret}`,
      `PAS ${alice.token}:${alice.secret}`,
      `PAS polaris:${alice.token}${alice.secret}`,
      `PAS polaris:${alice.token}:${alice.secret}:x`,
      `PAS ${Buffer.from(`polaris:${alice.token}:${alice.secret}`).toString('base64')}`,
    ]) {
      t.equal((await client.call('GET', locksAt(15), { headers: { authorization } })).status, 401)
    }
  })

  await t.test('it is not made to last by being used, and its end is 401', async t => {
    const read = () =>
      service.stores.sql(`select last_touch, expires_at from sessions where secret_hash is not null`)
    const before = await read()
    t.equal((await alice.lock(27, 1)).status, 200)
    t.equal((await alice.own()).status, 200)
    t.same(await read(), before)
    await expire(service.stores)
    t.match(await alice.own(), { status: 401, json: { ErrorCode: 401 } })
    t.equal((await alice.lock(27, 1)).status, 401)
    const again = await client.workstation('alice', 15)
    t.equal((await again.lock(27, 1)).json.ExistingLock, true, 'the lock outlives it')
  })

  await t.test('it is void once its key is revoked, and the lock stays', async t => {
    const bob = await client.workstation('bob', 16)
    t.equal((await bob.lock(27, 2)).status, 200)
    await service.stores.sql(
      `update api_keys k set revoked_at = now() from users u where u.id = k.user_id and u.name = 'bob'`,
    )
    t.equal((await bob.own()).status, 401)
    const carol = await client.workstation('carol', 16)
    t.match(await carol.lock(27, 2), { status: 409, json: { Data: { PolarisUserName: 'bob' } } })
  })
})
