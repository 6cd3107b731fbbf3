import t from 'tap'
import { Database } from '../../../../src/database/database.ts'
import { LockRepository } from '../../../../src/database/lock-repository.ts'
import { LockService } from '../../../../src/locks/lock-service.ts'
import { faults, POOL_SETTINGS } from '../../../support/database.ts'
import { connectedTo } from '../../../support/scratch-database.ts'
import { LOCKS, NAMESPACE, startService, uniqueId } from '../../service.ts'
import { BASE, basic, lfsCaller } from './lfs-caller.ts'

const service = await startService(t)
const { keys } = service
const alice = lfsCaller(service, 'alice', keys.alice)
const bob = lfsCaller(service, 'bob', keys.bob)
const victor = lfsCaller(service, 'victor', keys.viewer)
const root = lfsCaller(service, 'root', keys.admin)
const stranger = lfsCaller(service, 'eve', await service.keyOf('eve', 'admin', 'elsewhere'))
const nobody = lfsCaller(service, null)

/** The address of a repository that no other test knows. */
function repository(): string {
  return `${BASE}/${uniqueId()}`
}

/** Takes a file, and answers the lock. */
async function locked(caller: typeof alice, address: string, path: string) {
  const { status, json } = await caller('POST', `${address}/locks`, { body: { path } })
  if (status !== 201) throw new Error(`${path} is not granted but ${status}`)
  return json.lock
}

t.test('a file that is free is locked, in the published form', async t => {
  const { status, json } = await alice('POST', `${repository()}/locks`, {
    body: { path: 'foo/bar.zip', ref: { name: 'refs/heads/my-feature' } },
  })
  t.equal(status, 201)
  t.same(Object.keys(json), ['lock'])
  t.same(Object.keys(json.lock), ['id', 'path', 'locked_at', 'owner'])
  t.type(json.lock.id, 'string')
  t.match(json.lock.id, /^\d+$/, 'goes into a path as it is')
  t.equal(json.lock.path, 'foo/bar.zip')
  t.match(json.lock.locked_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.same(json.lock.owner, { name: 'alice' })
})

t.test('a file is a resource like any other, and its lock has no end', async t => {
  const name = uniqueId()
  const { json } = await alice('POST', `${BASE}/art/${name}/locks`, {
    body: { path: 'a.bin', ref: { name: 'refs/heads/main' } },
  })
  const found = await service.call('GET', `${LOCKS}?type=git-lfs%2Fart%2F${name}`, { key: keys.viewer })
  t.match(found.json.locks, [
    {
      id: json.lock.id,
      namespace: NAMESPACE,
      resource: { type: `git-lfs/art/${name}`, id: 'a.bin' },
      holder: 'alice',
      client: 'git-lfs/3.3.0',
      metadata: { ref: 'refs/heads/main' },
      expires_at: null,
    },
  ])
  t.equal(found.json.locks.length, 1)
  t.match(
    await service.stores.sql('select holder, client, time_left from held_locks where id = $1', [
      json.lock.id,
    ]),
    [{ holder: 'alice', client: 'git-lfs/3.3.0', time_left: null }],
  )
})

t.test('a lock that was taken through /v1 is refused and listed here', async t => {
  const name = uniqueId()
  await service.call('POST', LOCKS, {
    key: keys.bob,
    body: { resources: [{ type: `git-lfs/${name}`, id: 'a.bin' }], ttl: 60 },
  })
  const { status, json } = await alice('POST', `${BASE}/${name}/locks`, { body: { path: 'a.bin' } })
  t.equal(status, 409)
  t.match(json.message, /^a\.bin is locked by bob since /)
  t.match((await alice('GET', `${BASE}/${name}/locks`)).json.locks, [
    { path: 'a.bin', owner: { name: 'bob' } },
  ])
})

t.test('whoever holds a file already gets the same lock again', async t => {
  const address = repository()
  const first = await alice('POST', `${address}/locks`, { body: { path: 'a.bin' } })
  const again = await alice('POST', `${address}/locks`, { body: { path: 'a.bin', ref: { name: 'HEAD' } } })
  t.equal(again.status, 200)
  t.same(again.json, first.json)
})

t.test('a file that another holds is refused with the lock, who has it and since when', async t => {
  const address = repository()
  const lock = await locked(alice, address, 'a b.bin')
  const { status, json } = await bob('POST', `${address}/locks`, { body: { path: 'a b.bin' } })
  t.equal(status, 409)
  t.same(json.lock, lock)
  t.equal(json.message, `a b.bin is locked by alice since ${lock.locked_at}`)
  t.type(json.request_id, 'string')
})

t.test('what a lock may be asked for', async t => {
  const address = repository()
  const bodies: [unknown, number][] = [
    [{ path: 'a.bin', ref: null }, 201],
    [{ path: 'b.bin', ref: {} }, 201],
    [{ path: 'c.bin', ref: { name: '' } }, 201],
    [{ path: 'd.bin', colour: 'red' }, 201],
    [{ path: 'x'.repeat(1024) }, 201],
    [{ path: '.gitignore' }, 201],
    [{ path: '..a/...' }, 201],
    [{ path: 'a\\b' }, 201],
    [{ path: 'x'.repeat(1025) }, 422],
    [{ path: 'é'.repeat(513) }, 422],
    [{ path: 'a\0b' }, 422],
    ['{"path":"a\\ud800"}', 422],
    ['{"path":"a","path":"b"}', 422],
    [{ path: '' }, 422],
    [{ path: '/a' }, 422],
    [{ path: 'a/' }, 422],
    [{ path: 'a//b' }, 422],
    [{ path: './a' }, 422],
    [{ path: 'a/../b' }, 422],
    [{ path: 7 }, 422],
    [{}, 422],
    [[], 422],
    ['{"path":', 422],
    [{ path: 'e.bin', ref: 'main' }, 422],
    [{ path: 'e.bin', ref: { name: 7 } }, 422],
    [{ path: 'e.bin', ref: { name: 'x'.repeat(4096) } }, 422],
  ]
  for (const [body, wanted] of bodies) {
    const { status, json } = await alice('POST', `${address}/locks`, { body })
    t.equal(status, wanted, JSON.stringify(body).slice(0, 60))
    if (status === 422) t.type(json.request_id, 'string')
  }
  t.equal((await alice('POST', `${address}/locks`)).status, 422, 'no body')
  t.equal(
    (await alice('GET', `${address}/locks`)).json.locks.length,
    8,
    'what was refused left nothing behind',
  )
})

t.test('a branch with a longest name fits beside a lock', async t => {
  const name = 'x'.repeat(4000)
  t.equal((await alice('POST', `${repository()}/locks`, { body: { path: 'a', ref: { name } } })).status, 201)
})

t.test('a client without a usable name of its own is none', async t => {
  const address = repository()
  for (const [agent, client] of [
    ['git-lfs/3.7.1 (GitHub; darwin arm64; go 1.25)', 'git-lfs/3.7.1'],
    ['curl/8.0', 'curl/8.0'],
    ['x'.repeat(256), null],
    ['(none)', null],
  ] as const) {
    const { json } = await alice('POST', `${address}/locks`, {
      body: { path: uniqueId() },
      headers: { 'user-agent': agent },
    })
    const lock = await service.call('GET', `${LOCKS}/${json.lock.id}`, { key: keys.alice })
    t.equal(lock.json.client, client, agent.slice(0, 30))
  }
})

t.test('a closed namespace has the files that its catalogue has, and no others', async t => {
  const namespace = uniqueId()
  const put = (path: string, body: object) =>
    service.call('PUT', `/v1/namespaces/${namespace}${path}`, { key: keys.admin, body })
  await put('', { closed: true })
  await put('/resources/git-lfs%2Fgame/a.bin', {})
  t.equal((await root('POST', `/lfs/${namespace}/game/locks`, { body: { path: 'a.bin' } })).status, 201)
  const { status, json } = await root('POST', `/lfs/${namespace}/game/locks`, { body: { path: 'b.bin' } })
  t.equal(status, 404)
  t.match(json.message, /catalogue has no git-lfs\/game b\.bin/)
})

t.test('a list is narrowed by the exact path, by the id, and by nothing else', async t => {
  const address = repository()
  const a = await locked(alice, address, 'dir/a.bin')
  const b = await locked(bob, address, 'dir/a.bin2')
  const elsewhere = await locked(bob, repository(), 'dir/a.bin')
  const list = async (query: string) => (await victor('GET', `${address}/locks${query}`)).json
  t.same(await list(''), { locks: [a, b] })
  t.same(await list('?path=&id=&cursor=&limit=&refspec='), { locks: [a, b] }, 'without values')
  t.same(await list('?limit=0'), { locks: [a, b] }, 'without a wish')
  t.same(await list('?path=dir%2Fa.bin'), { locks: [a] })
  t.same(await list('?path=dir%2Fa'), { locks: [] }, 'not by its beginning')
  t.same(await list('?path=DIR%2Fa.bin'), { locks: [] }, 'not in another case')
  t.same(await list(`?id=${b.id}`), { locks: [b] })
  t.same(await list(`?id=${b.id}&path=dir%2Fa.bin`), { locks: [] }, 'both have to fit')
  t.same(await list(`?id=${elsewhere.id}`), { locks: [] }, 'of another repository')
  for (const id of ['0', `0${a.id}`, 'x', '9'.repeat(19), '-1']) {
    t.same(await list(`?id=${id}`), { locks: [] }, `id ${id}`)
  }
  t.same(await list('?refspec=refs%2Fheads%2Fother&_=123'), { locks: [a, b] }, 'not by the branch')
})

t.test('pages follow each other by their cursors, and the last has none', async t => {
  const address = repository()
  const locks = []
  for (let file = 0; file < 5; file += 1) locks.push(await locked(alice, address, `file ${file}`))
  const first = (await bob('GET', `${address}/locks?limit=2`)).json
  t.same(first.locks, locks.slice(0, 2))
  t.type(first.next_cursor, 'string')
  await alice('POST', `${address}/locks/${locks[0].id}/unlock`, { body: {} })
  const second = (await bob('GET', `${address}/locks?limit=2&cursor=${first.next_cursor}`)).json
  t.same(second.locks, locks.slice(2, 4), 'a release moves none of them')
  const last = (await bob('GET', `${address}/locks?limit=2&cursor=${second.next_cursor}`)).json
  t.same(last, { locks: locks.slice(4) })
  t.same(Object.keys(last), ['locks'], 'no cursor at the end')
  t.same(
    Object.keys((await bob('GET', `${address}/locks?limit=4`)).json),
    ['locks'],
    'nor where the page is just full',
  )
})

t.test('a page has 100 locks, and a thousand at most', async t => {
  const name = uniqueId()
  const [outcome] = await service.stores.locks.acquire([
    {
      resources: Array.from({ length: 1000 }, (_, file) => ({
        namespace: NAMESPACE,
        type: `git-lfs/${name}`,
        id: `file ${file}`,
      })),
      expand: 'none',
      holder: 'alice',
      client: null,
      session: { kind: 'implicit', ttlSeconds: null },
      reentry: 'user',
      takeover: null,
      replacesOwn: false,
      isSole: false,
      reference: null,
      metadata: {},
    },
  ])
  t.equal(outcome?.kind, 'granted')
  await locked(alice, `${BASE}/${name}`, 'one more')
  const sizeOf = async (query: string) =>
    (await bob('GET', `${BASE}/${name}/locks${query}`)).json.locks.length
  t.equal(await sizeOf(''), 100)
  t.equal(await sizeOf('?limit=0'), 100)
  t.equal(await sizeOf('?limit=7'), 7)
  t.equal(await sizeOf('?limit=5000'), 1000)
  const verified = async (body: object) =>
    (await bob('POST', `${BASE}/${name}/locks/verify`, { body })).json.theirs.length
  t.equal(await verified({}), 100)
  t.equal(await verified({ limit: 7 }), 7)
  t.equal(await verified({ limit: 5000 }), 1000)
})

t.test('a list that is asked for wrongly is refused', async t => {
  const address = repository()
  for (const query of [
    'limit=x',
    'limit=-1',
    'limit=1.5',
    'cursor=x',
    'cursor=-1',
    'path=a&path=b',
    'cursor=00',
  ]) {
    t.equal((await alice('GET', `${address}/locks?${query}`)).status, 422, query)
  }
  for (const body of [
    { limit: -1 },
    { limit: 1.5 },
    { limit: '7' },
    { cursor: 'x' },
    { cursor: 7 },
    [],
    '{',
  ]) {
    t.equal((await alice('POST', `${address}/locks/verify`, { body })).status, 422, JSON.stringify(body))
  }
})

t.test('a verification parts ours from theirs, page by page', async t => {
  const address = repository()
  const verify = async (caller: typeof alice, body: object) =>
    (await caller('POST', `${address}/locks/verify`, { body })).json
  t.same(await verify(alice, {}), { ours: [], theirs: [] })
  const first = await locked(alice, address, 'a')
  const second = await locked(bob, address, 'b')
  const third = await locked(alice, address, 'c')
  t.same(await verify(alice, { ref: { name: 'refs/heads/other' } }), {
    ours: [first, third],
    theirs: [second],
  })
  t.same(await verify(bob, { ref: null, cursor: null, limit: null }), {
    ours: [second],
    theirs: [first, third],
  })
  t.same(await verify(root, { cursor: '', limit: 0 }), { ours: [], theirs: [first, second, third] })
  const page = await verify(alice, { limit: 2 })
  t.same([page.ours, page.theirs], [[first], [second]])
  t.same(await verify(alice, { limit: 2, cursor: page.next_cursor }), { ours: [third], theirs: [] })
  t.same(
    (await alice('POST', `${address}/locks/verify`)).json,
    { ours: [first, third], theirs: [second] },
    'no body',
  )
})

t.test('one unlocks what one holds, once', async t => {
  const address = repository()
  const lock = await locked(alice, address, 'a')
  const { status, json } = await alice('POST', `${address}/locks/${lock.id}/unlock`, {
    body: { force: false, ref: { name: 'refs/heads/main' } },
  })
  t.equal(status, 200)
  t.same(json, { lock })
  const again = await alice('POST', `${address}/locks/${lock.id}/unlock`, { body: {} })
  t.equal(again.status, 404)
  t.match(again.json.message, /no lock/)
  t.same((await alice('GET', `${address}/locks`)).json, { locks: [] })
  t.not((await locked(bob, address, 'a')).id, lock.id, 'the next lock is another one')
})

t.test('what one holds oneself needs no body, and no administrator to be forced', async t => {
  const address = repository()
  const first = await locked(alice, address, 'a')
  t.equal((await alice('POST', `${address}/locks/${first.id}/unlock`)).status, 200)
  const second = await locked(alice, address, 'a')
  const audited = service.audit.length
  t.equal(
    (await alice('POST', `${address}/locks/${second.id}/unlock`, { body: { force: true } })).status,
    200,
  )
  t.equal(service.audit.length, audited)
})

t.test("another's lock is refused to whoever does not administer the namespace", async t => {
  const address = repository()
  const lock = await locked(alice, address, 'a')
  const unlock = (caller: typeof alice, body: unknown) =>
    caller('POST', `${address}/locks/${lock.id}/unlock`, { body })
  const plain = await bob('POST', `${address}/locks/${lock.id}/unlock`)
  t.equal(plain.status, 403)
  t.match(plain.json.message, `a is locked by alice since ${lock.locked_at}; `)
  for (const caller of [bob, victor]) {
    const forced = await unlock(caller, { force: true })
    t.equal(forced.status, 403)
    t.match(forced.json.message, /only an administrator of DEFAULT\/REST/)
  }
  t.equal((await unlock(root, {})).status, 403, 'an administrator has to say it')
  t.equal((await unlock(root, { force: null })).status, 403)
  t.equal((await unlock(root, { force: 'true' })).status, 422)
  t.equal((await unlock(stranger, { force: true })).status, 403, 'of another namespace')
  t.same((await alice('GET', `${address}/locks`)).json.locks, [lock])
})

t.test("an administrator of the namespace forces another's lock, and the log has it", async t => {
  const address = repository()
  const boss = lfsCaller(service, 'boss', await service.keyOf('boss', 'admin'))
  const lock = await locked(alice, address, 'a')
  const { status, json } = await boss('POST', `${address}/locks/${lock.id}/unlock`, { body: { force: true } })
  t.equal(status, 200)
  t.same(json, { lock })
  t.match(service.audit.at(-1), {
    event: 'lock_force_released',
    by: 'boss',
    reason: 'git lfs unlock --force',
    namespace: NAMESPACE,
    lockIds: [lock.id],
    holders: ['alice'],
  })
})

t.test('a lock is unlocked through its own repository alone', async t => {
  const address = repository()
  const lock = await locked(alice, address, 'a')
  for (const [path, what] of [
    [`${repository()}/locks/${lock.id}/unlock`, 'another repository'],
    [`${address}/locks/0${lock.id}/unlock`, 'another spelling'],
    [`${address}/locks/x/unlock`, 'no id'],
    [`${address}/locks/${'9'.repeat(19)}/unlock`, 'an id that cannot be'],
    [`/lfs/other/${address.split('/').at(-1)}/locks/${lock.id}/unlock`, 'another namespace'],
  ] as const) {
    const { status, json } = await root('POST', path, { body: { force: true } })
    t.equal(status, 404, what)
    t.match(json.message, /no lock/)
  }
  const { json } = await service.call('POST', LOCKS, {
    key: keys.alice,
    body: { resources: [{ type: 'defect', id: uniqueId() }] },
  })
  const native = await alice('POST', `${address}/locks/${json.locks[0].id}/unlock`)
  t.equal(native.status, 404, 'a lock that is none of Git LFS')
  t.same((await alice('GET', `${address}/locks`)).json.locks, [lock])
})

const CALLS: readonly [string, string, object | undefined][] = [
  ['POST', '/locks', { path: 'a' }],
  ['GET', '/locks', undefined],
  ['GET', '/locks?id=x', undefined],
  ['POST', '/locks/verify', {}],
  ['POST', '/locks/1/unlock', {}],
]

t.test('every call needs a key, and says in which way', async t => {
  const address = repository()
  for (const [method, path, body] of CALLS) {
    for (const headers of [
      {},
      { authorization: basic('alice', 'lh_wrong') },
      { authorization: basic('bob', keys.alice) },
      { authorization: 'Basic %%%' },
    ]) {
      const answer = await nobody(method, address + path, { body, headers })
      t.equal(answer.status, 401, `${method} ${path}`)
      t.equal(answer.headers.get('www-authenticate'), 'Basic realm="leasehold", charset="UTF-8"')
      t.equal(answer.headers.get('lfs-authenticate'), 'Basic realm="leasehold"')
    }
  }
  const bearer = await nobody('GET', `${address}/locks`, {
    headers: { authorization: `Bearer ${keys.alice}` },
  })
  t.equal(bearer.status, 200, 'a key alone will do')
  t.equal(
    (await nobody('POST', `${BASE}/${'x'.repeat(300)}/locks`)).status,
    401,
    'before anything is looked at',
  )
})

t.test('a key of another namespace is refused everywhere', async t => {
  const address = repository()
  for (const [method, path, body] of CALLS) {
    const { status, json } = await stranger(method, address + path, { body })
    t.equal(status, 403, `${method} ${path}`)
    t.match(json.message, /namespace elsewhere only/)
  }
})

t.test('a viewer looks, and may neither lock nor push', async t => {
  const address = repository()
  await locked(alice, address, 'a')
  t.equal((await victor('GET', `${address}/locks`)).status, 200)
  t.equal((await victor('POST', `${address}/locks`, { body: { path: 'b' } })).status, 403)
  t.equal((await victor('POST', `${address}/locks`, { body: { path: 'a' } })).status, 403)
  t.equal((await victor('POST', `${address}/locks/verify`, { body: {} })).status, 403)
})

t.test('objects are refused in a way that tells where they belong', async t => {
  for (const caller of [alice, nobody]) {
    const { status, json } = await caller('POST', `${repository()}/objects/batch`, {
      body: { operation: 'upload', objects: [] },
    })
    t.equal(status, 422)
    t.match(json.message, /locks of Git LFS and no objects/)
  }
})

t.test('other paths and methods are refused in the form of the API', async t => {
  const address = repository()
  for (const [method, path] of [
    ['GET', `${address}/objects/${'0'.repeat(64)}`],
    ['GET', address],
    ['GET', '/lfs'],
    ['GET', `${BASE}/locks`],
    ['GET', `${address}/locks/`],
    ['GET', `${address}/LOCKS`],
  ] as const) {
    const { status, json } = await alice(method, path)
    t.equal(status, 404, path)
    t.match(json.message, /\/lfs\/\{namespace\}\/\{repository\}/)
  }
  const { status, headers } = await alice('DELETE', `${address}/locks`)
  t.equal(status, 405)
  t.match(headers.get('allow'), /POST/)
})

t.test('an address without a repository never looks like a server without locks', async t => {
  for (const path of [
    `${BASE}/locks/verify`,
    `${BASE}//locks/verify`,
    '/lfs/locks/verify',
    `${BASE}/.git/locks/verify`,
  ]) {
    const { status } = await alice('POST', path, { body: {} })
    t.equal(status, 422, path)
  }
})

t.test('a body that is too large or of another type is refused', async t => {
  const address = repository()
  for (const path of ['/locks', '/locks/verify', '/locks/1/unlock']) {
    const large = await alice('POST', address + path, { body: { path: 'x'.repeat(70_000) } })
    t.equal(large.status, 413, path)
    const text = await alice('POST', address + path, { body: 'a', headers: { 'content-type': 'text/plain' } })
    t.equal(text.status, 415, path)
  }
  t.equal((await alice('GET', `${address}/locks?${'x'.repeat(8200)}`)).status, 414)
})

t.test('trouble of the database never looks like an answer', async t => {
  const database = new Database({ ...POOL_SETTINGS, url: 'postgres://x@127.0.0.1:1/x' }, 'leasehold')
  t.teardown(() => database.close())
  const cut = await startService(t, {
    locks: new LockService(new LockRepository(database, { retried() {} }), () => {}),
  })
  const cutOff = lfsCaller(cut, 'alice', cut.keys.alice)
  for (const [method, path, body] of CALLS) {
    const { status, json, headers } = await cutOff(method, repository() + path, { body })
    t.equal(status, 503, `${method} ${path}`)
    t.match(json.message, /nothing was changed/)
    t.equal(headers.get('retry-after'), '1')
  }
})

t.test('a database that is too slow is 504', async t => {
  const { url } = service.stores
  const database = new Database(
    { ...POOL_SETTINGS, url, lockTimeoutMs: 50, statementTimeoutMs: 300 },
    'leasehold',
  )
  t.teardown(() => database.close())
  const impatient = await startService(t, {
    locks: new LockService(new LockRepository(database, { retried() {} }), () => {}),
    keys: service.services.keys,
  })
  const waiting = lfsCaller(impatient, 'alice', impatient.keys.alice)
  const other = await connectedTo(t, url)
  await other.query('begin')
  await other.query('lock table leasehold.locks in access exclusive mode')
  for (const [method, path, body] of CALLS) {
    const { status, headers } = await waiting(method, repository() + path, { body })
    t.equal(status, 504, `${method} ${path}`)
    t.equal(headers.get('retry-after'), '1')
  }
  await other.query('rollback')
})

t.test('where the dialect is switched off, its paths are like any other', async t => {
  const without = await startService(t, { dialects: {} })
  const { status, headers } = await without.call('GET', `${BASE}/game/locks`, { key: without.keys.alice })
  t.equal(status, 404)
  t.equal(headers.get('content-type'), 'application/problem+json')
})

t.test('nothing that was refused left a trace', async t => {
  t.same(await faults(service.stores), [])
})
