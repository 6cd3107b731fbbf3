import t from 'tap'
import { exchange } from '../../raw-socket.ts'
import { LOCKS, startService, uniqueId } from '../../service.ts'
import { BASE, basic, lfsCaller } from './lfs-caller.ts'

/** What clients and proxies do to requests, and what names of repositories do to paths. */

const service = await startService(t)
const { keys } = service
const alice = lfsCaller(service, 'alice', keys.alice)

/** One request as it is written here; the connection is closed after it. */
async function send(method: string, path: string, headers: readonly string[], body = '') {
  const answer = await exchange(
    service.port,
    [
      `${method} ${path} HTTP/1.1`,
      'Host: localhost',
      'Connection: close',
      `Authorization: ${basic('alice', keys.alice)}`,
      ...headers,
      '',
      body,
    ].join('\r\n'),
  )
  const [head = '', text = ''] = answer.split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, json: JSON.parse(text) }
}

t.test('a client that sends as little as it may is understood', async t => {
  const address = `${BASE}/${uniqueId()}`
  const body = '{"path":"a.bin"}'
  const created = await send(
    'POST',
    `${address}/locks`,
    ['Content-Type: application/json', `Content-Length: ${body.length}`],
    body,
  )
  t.equal(created.status, 201)
  t.match(created.head, /Content-Type: application\/vnd\.git-lfs\+json\r?/i)
  t.equal((await send('GET', `${address}/locks`, [])).json.locks.length, 1, 'no Accept')
  const typed = ['Content-Type: application/vnd.git-lfs+json; charset=utf-8']
  t.equal((await send('GET', `${address}/locks`, typed)).json.locks.length, 1, 'a type of no body')
  t.equal(
    (await send('POST', `${address}/locks/verify`, [...typed, 'Content-Length: 0'])).json.ours.length,
    1,
  )
  const { id } = created.json.lock
  const empty = await send('POST', `${address}/locks/${id}/unlock`, [...typed, 'Content-Length: 0'])
  t.equal(empty.status, 200)
})

t.test('a body in chunks is understood, and one of no bytes is none', async t => {
  const address = `${BASE}/${uniqueId()}`
  const chunked = ['Content-Type: application/vnd.git-lfs+json', 'Transfer-Encoding: chunked']
  const created = await send('POST', `${address}/locks`, chunked, '10\r\n{"path":"a.bin"}\r\n0\r\n\r\n')
  t.equal(created.status, 201)
  const verified = await send('POST', `${address}/locks/verify`, ['Transfer-Encoding: chunked'], '0\r\n\r\n')
  t.equal(verified.json.ours.length, 1)
})

t.test('media types are read with their parameters, in any case', async t => {
  const address = `${BASE}/${uniqueId()}`
  for (const type of [
    'application/vnd.git-lfs+json',
    'application/vnd.git-lfs+json; charset=utf-8',
    'Application/VND.git-lfs+JSON;charset="UTF-8"',
    'application/json; charset=utf-8',
  ]) {
    const { status } = await alice('POST', `${address}/locks`, {
      body: { path: uniqueId() },
      headers: { 'content-type': type },
    })
    t.equal(status, 201, type)
  }
  for (const type of ['application/problem+json', 'application/vnd.git-lfs+json; charset=latin1']) {
    const { status } = await alice('POST', `${address}/locks`, {
      body: { path: 'a' },
      headers: { 'content-type': type },
    })
    t.equal(status, 415, type)
  }
})

t.test('a query is read as forms are written', async t => {
  const address = `${BASE}/${uniqueId()}`
  await alice('POST', `${address}/locks`, { body: { path: 'a b+c é#%.bin' } })
  for (const query of ['a+b%2Bc+%C3%A9%23%25.bin', 'a%20b%2Bc%20%c3%a9%23%25.bin']) {
    t.equal((await alice('GET', `${address}/locks?path=${query}`)).json.locks.length, 1, query)
  }
  t.equal((await alice('GET', `${address}/locks?path=a+b+c+%C3%A9%23%25.bin`)).json.locks.length, 0)
  for (const query of ['path=%zz', 'path=%ff', 'path=%00']) {
    t.equal((await alice('GET', `${address}/locks?${query}`)).status, 422, query)
  }
})

/** Type of the resource that a lock in this repository is; the status where there is none. */
async function typeOf(repository: string): Promise<string | number> {
  const { status, json } = await alice('POST', `${BASE}/${repository}/locks`, { body: { path: uniqueId() } })
  if (status !== 201) return status
  return (await service.call('GET', `${LOCKS}/${json.lock.id}`, { key: keys.alice })).json.resource.type
}

t.test('a repository has one name, with or without what Git adds to its address', async t => {
  for (const [address, type] of [
    ['game', 'git-lfs/game'],
    ['game.git', 'git-lfs/game'],
    ['game.git/info/lfs', 'git-lfs/game'],
    ['team/game.git/info/lfs', 'git-lfs/team/game'],
    ['team%2Fgame', 'git-lfs/team/game'],
    ['Game', 'git-lfs/Game'],
    ['game.git.git', 'git-lfs/game.git'],
    ['game.git/info', 'git-lfs/game.git/info'],
    ['game/info/lfs', 'git-lfs/game/info/lfs'],
    ['gamegit', 'git-lfs/gamegit'],
    ['caf%C3%A9', 'git-lfs/caf\u00e9'],
    ['cafe%CC%81', 'git-lfs/cafe\u0301'],
    ['a%20b%23%25', 'git-lfs/a b#%'],
  ] as const) {
    t.equal(await typeOf(address), type, address)
  }
})

t.test('a name that could be written in two ways, or would not fit, is refused', async t => {
  for (const address of [
    'a//b',
    '/a',
    'a/',
    '%2Fa',
    'a%2F%2Fb',
    '.git',
    '.git/info/lfs',
    'a/.git',
    'x'.repeat(248),
    '%C3%A9'.repeat(124),
  ]) {
    t.equal(await typeOf(address), 422, address.slice(0, 40))
  }
  // fetch would resolve these
  for (const address of ['%2E', 'a/%2E%2E/b', 'a/../b', './a']) {
    t.equal((await send('GET', `${BASE}/${address}/locks`, [])).status, 422, address)
  }
  t.equal(await typeOf('x'.repeat(247)), `git-lfs/${'x'.repeat(247)}`)
  t.equal(await typeOf(`${'x'.repeat(247)}.git/info/lfs`), `git-lfs/${'x'.repeat(247)}`)
})

t.test('a repository whose name looks like a call is one all the same', async t => {
  const base = uniqueId()
  const addresses = [
    'locks',
    'verify',
    'locks/verify',
    'locks/5/unlock',
    'objects/batch',
    'a/locks',
    'a/locks/locks',
    'a/locks/verify',
    'a/locks/5/unlock',
  ].map(name => `${base}/${name}`)
  const locks = new Map<string, string>()
  for (const address of addresses) {
    const { status, json } = await alice('POST', `${BASE}/${address}/locks`, { body: { path: address } })
    t.equal(status, 201, address)
    locks.set(address, json.lock.id)
  }
  for (const [address, id] of locks) {
    const listed = await alice('GET', `${BASE}/${address}/locks`)
    t.match(listed.json.locks, [{ id, path: address }], address)
    t.equal(listed.json.locks.length, 1, address)
    t.match((await alice('POST', `${BASE}/${address}/locks/verify`, { body: {} })).json.ours, [{ id }])
    t.equal((await alice('POST', `${BASE}/${address}/objects/batch`, { body: {} })).status, 422)
    t.equal((await alice('POST', `${BASE}/${address}/locks/${id}/unlock`, { body: {} })).status, 200, address)
  }
})

t.test('every text that Git takes for a path comes back as it was', async t => {
  const address = `${BASE}/${uniqueId()}`
  const paths = [
    'é',
    'e\u0301',
    '日本',
    '😀',
    'a\tb',
    'a\nb',
    'a"b',
    'a\\b',
    ' a ',
    '-a',
    '~',
    'a:b',
    '%2F',
    'x'.repeat(1024),
  ]
  for (const path of paths) {
    t.equal((await alice('POST', `${address}/locks`, { body: { path } })).json.lock?.path, path)
    const found = await alice('GET', `${address}/locks?${new URLSearchParams({ path })}`)
    t.same(
      found.json.locks.map((lock: { path: string }) => lock.path),
      [path],
    )
  }
})
