import { createHash } from 'node:crypto'
import t from 'tap'
import { ApiKeyRepository } from '../../src/database/api-key-repository.ts'
import { SignInRepository } from '../../src/database/sign-in-repository.ts'
import { UserRepository } from '../../src/database/user-repository.ts'
import type { Principal } from '../../src/locks/api-key.ts'
import { KeyService } from '../../src/locks/key-service.ts'
import { SignInService } from '../../src/locks/sign-in-service.ts'
import { UserService } from '../../src/locks/user-service.ts'
import { expire, grantedOne, openStores, type Stores } from '../support/database.ts'

const ROOT: Principal = { keyId: '0', user: 'root', role: 'admin', namespace: '*' }

async function opened(test: Parameters<typeof openStores>[0]) {
  const stores = await openStores(test)
  const keys = new KeyService(new ApiKeyRepository(stores.database), 0)
  const service = new SignInService(new SignInRepository(stores.database), stores.sessions, keys)
  const principalOf = async (user: string, role: 'locker' | 'admin' = 'locker', namespace = '*') => {
    const { key } = await keys.create(ROOT, { user, role, namespace, ttlSeconds: null })
    const principal = await service.verify(user, key, 'here')
    if (principal === undefined) throw new Error('the key is not known')
    return { principal, key }
  }
  return { stores, keys, service, principalOf }
}

async function sessions(stores: Stores): Promise<number> {
  const [row] = await stores.sql<{ count: number }>('select count(*)::int as count from sessions')
  return row?.count ?? 0
}

t.test('a sign-in is known by its secret, and only the hash of it is stored', async t => {
  const { stores, service, principalOf } = await opened(t)
  const { principal, key } = await principalOf('alice')
  const { secret, session } = await service.open(principal, { ttlSeconds: 60, client: 'ws-15' })
  t.match(secret, /^[0-9a-f]{32}$/)
  t.match(session, { user: 'alice', client: 'ws-15', ttlSeconds: 60, expiresInSeconds: 60 })
  const [found, unknown] = await service.touch([secret, 'x'], 'here')
  t.same(found?.principal, principal)
  t.equal(found?.session.id, session.id)
  t.equal(unknown, undefined)
  t.match(await service.find(secret, 'here'), { principal, session: { id: session.id } })
  t.equal(await service.find(session.id, 'here'), undefined, 'the id of the session is no secret')
  const [row] = await stores.sql<{ secret_hash: Buffer; text: string }>(
    'select secret_hash, s::text as text from sessions s',
  )
  t.same(row?.secret_hash, createHash('sha256').update(secret).digest())
  t.notOk(row?.text.includes(secret) || row?.text.includes(key))
  t.equal(await service.verify('bob', key, 'here'), undefined, 'a key is its own user alone')
})

t.test('a touch moves the expiry, a look does not, and neither revives what has expired', async t => {
  const { stores, service, principalOf } = await opened(t)
  const { principal } = await principalOf('alice')
  const { secret, session } = await service.open(principal, { ttlSeconds: 60 })
  const touches = async () =>
    (await stores.sql<{ last_touch: Date }>('select last_touch from sessions'))[0]?.last_touch.getTime()
  const first = session.lastTouch.getTime()
  await service.find(secret, 'here')
  t.equal(await touches(), first)
  await service.touch([secret], 'here')
  t.ok(Number(await touches()) > first)
  await grantedOne(stores, 'a', { session: { kind: 'existing', id: session.id } })
  await expire(stores)
  t.equal(await service.find(secret, 'here'), undefined)
  t.same(await service.touch([secret], 'here'), [undefined])
})

t.test('a secret of the caller is the same session again, and a new one where it has ended', async t => {
  const { stores, service, principalOf } = await opened(t)
  const { principal } = await principalOf('alice')
  const secret = 'a secret that was derived from another'
  const { session } = await service.open(principal, { secret, ttlSeconds: 60 })
  t.equal((await service.open(principal, { secret, ttlSeconds: 60 })).session.id, session.id)
  const bob = await principalOf('bob')
  await t.rejects(service.open(bob.principal, { secret, ttlSeconds: 60 }), { code: 'forbidden' })
  await expire(stores)
  const next = await service.open(principal, { secret, ttlSeconds: 60 })
  t.not(next.session.id, session.id)
  t.equal(await sessions(stores), 1, 'the expired one is gone')
  const many = await Promise.all(
    Array.from({ length: 8 }, () => service.open(principal, { secret: 'another', ttlSeconds: 60 })),
  )
  t.equal(new Set(many.map(one => one.session.id)).size, 1)
})

t.test('a tombstone is not in the way of the next sign-in with its secret', async t => {
  const { stores, service, principalOf } = await opened(t)
  const { principal } = await principalOf('alice')
  const { session } = await service.open(principal, { secret: 'mine', ttlSeconds: 60 })
  await stores.sql('update sessions set named = true')
  t.equal(await stores.sessions.end(session.id, 'alice'), true)
  t.equal(await service.find('mine', 'here'), undefined)
  t.not((await service.open(principal, { secret: 'mine', ttlSeconds: 60 })).session.id, session.id)
})

t.test('a sign-in is void with its key, and cannot be opened again with it', async t => {
  const { service, keys, principalOf } = await opened(t)
  const { principal } = await principalOf('alice')
  const { secret } = await service.open(principal, { secret: 'mine', ttlSeconds: 60 })
  await keys.revoke(ROOT, principal.keyId)
  t.equal(await service.find(secret, 'here'), undefined)
  t.same(await service.touch([secret], 'here'), [undefined])
  await t.rejects(service.open(principal, { secret, ttlSeconds: 60 }), { code: 'unauthenticated' })
})

t.test('the end of a sign-in ends its locks', async t => {
  const { stores, service, principalOf } = await opened(t)
  const { principal } = await principalOf('alice')
  const { secret, session } = await service.open(principal, { ttlSeconds: 60 })
  const lock = await grantedOne(stores, 'a', { session: { kind: 'existing', id: session.id } })
  const signIn = await service.find(secret, 'here')
  if (signIn === undefined) throw new Error('not signed in')
  t.equal(await service.end(signIn), true)
  t.equal(await service.end(signIn), false)
  t.equal(await stores.locks.get('tests', lock.id), undefined)
})

t.test('only an administrator of the whole service signs in for others, as one who may lock', async t => {
  const { service, principalOf } = await opened(t)
  const { principal: admin } = await principalOf('partner', 'admin')
  const { principal: alice } = await principalOf('alice')
  const { principal: ofOne } = await principalOf('carol', 'admin', 'tests')
  const { secret } = await service.open(admin, { ttlSeconds: 60, onBehalfOf: 'alice' })
  t.match(await service.find(secret, 'here'), {
    principal: { user: 'alice', role: 'locker', keyId: admin.keyId },
  })
  await t.rejects(service.open(alice, { ttlSeconds: 60, onBehalfOf: 'partner' }), { code: 'forbidden' })
  await t.rejects(service.open(ofOne, { ttlSeconds: 60, onBehalfOf: 'alice' }), { code: 'forbidden' })
})

t.test('users have numbers, and are found by them', async t => {
  const { stores, principalOf } = await opened(t)
  await principalOf('alice')
  await principalOf('bob')
  const users = new UserService(new UserRepository(stores.database))
  const numbers = await users.numbersOf(['alice', 'bob', 'nobody', 'alice'])
  t.same([...numbers.keys()].sort(), ['alice', 'bob'])
  t.not(numbers.get('alice'), numbers.get('bob'))
  t.match(await users.findByNumber(numbers.get('bob') ?? 0), {
    number: numbers.get('bob'),
    name: 'bob',
    created: Date,
  })
  t.equal(await users.findByNumber(0), undefined)
  t.equal(await users.findByNumber(2 ** 40), undefined)
  t.equal(await users.findByName('nobody'), undefined)
  await t.rejects(users.numberOf('nobody'))
})
