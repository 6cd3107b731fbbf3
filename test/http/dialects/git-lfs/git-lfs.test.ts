import t from 'tap'
import { faults } from '../../../support/database.ts'
import { LOCKS, startService, uniqueId } from '../../service.ts'
import { type Clone, makeClone, whyNoGitLfs } from './git-lfs-program.ts'
import { BASE } from './lfs-caller.ts'

/** The service as the real program meets it. */

const skip = await whyNoGitLfs()

const service = await startService(t)
const { keys } = service
const boss = await service.keyOf('boss', 'admin')

/** Names that have gone wrong in URLs, in JSON or in file systems. The two é are different bytes. */
const NAMES = [
  'a b.bin',
  '#1.bin',
  '100%.bin',
  '%41.bin',
  'a+b&c=d?.bin',
  'dir with space/e.bin',
  'caf\u00e9.bin',
  'cafe\u0301.bin',
  '日本語.bin',
  '"quoted".bin',
]

function addressOf(user: string, key: string, repository: string): string {
  return `${service.url.replace('//', `//${user}:${key}@`)}${BASE}/${repository}`
}

/** Clones of alice's and bob's of one new repository. */
async function clones(
  t: Parameters<typeof makeClone>[0],
  files: readonly string[],
): Promise<{ repository: string; alice: Clone; bob: Clone }> {
  const repository = `art/${uniqueId()}`
  return {
    repository,
    alice: await makeClone(t, addressOf('alice', keys.alice, repository), files),
    bob: await makeClone(t, addressOf('bob', keys.bob, repository), files),
  }
}

async function listed(clone: Clone, ...args: string[]) {
  const { code, out, err } = await clone.lfs('locks', '--json', ...args)
  if (code !== 0) throw new Error(`git lfs locks ended with ${code}: ${err}`)
  return JSON.parse(out) as { id: string; path: string; owner: { name: string }; locked_at: string }[]
}

t.test('a lock is taken, shown, refused to others, and given back', { skip }, async t => {
  const { alice, bob } = await clones(t, ['a.bin', 'b.bin'])
  t.match(await alice.lfs('lock', 'a.bin', 'b.bin'), { code: 0, out: 'Locked a.bin\nLocked b.bin\n' })
  t.match(await alice.lfs('lock', 'a.bin'), { code: 0, out: 'Locked a.bin\n' }, 'once more')
  const refused = await bob.lfs('lock', 'a.bin')
  t.equal(refused.code, 2)
  t.match(refused.err, /Locking a\.bin failed: a\.bin is locked by alice since \d{4}-\d\d-\d\dT[\d:]+Z/)
  const locks = await listed(bob)
  t.match(locks, [
    { path: 'a.bin', owner: { name: 'alice' } },
    { path: 'b.bin', owner: { name: 'alice' } },
  ])
  t.same(await listed(bob, '--path', 'b.bin'), locks.slice(1))
  t.same(await listed(bob, '--id', locks[0]?.id ?? ''), locks.slice(0, 1))
  t.same(await listed(bob, '--limit', '1'), locks.slice(0, 1))
  const notHis = await bob.lfs('unlock', 'a.bin')
  t.equal(notHis.code, 2)
  t.match(notHis.err, /a\.bin is locked by alice since/)
  t.match(await alice.lfs('unlock', 'a.bin'), { code: 0, out: 'Unlocked a.bin\n' })
  t.equal((await alice.lfs('unlock', '--id', locks[1]?.id ?? '')).code, 0)
  const gone = await alice.lfs('unlock', 'a.bin')
  t.equal(gone.code, 2)
  t.match(gone.err, /no matching locks found/)
  t.same(await listed(bob), [])
  t.equal((await bob.lfs('lock', 'a.bin')).code, 0, 'the other gets it now')
})

t.test('a lock is forced by an administrator, and by nobody else', { skip }, async t => {
  const { repository, alice, bob } = await clones(t, ['a.bin'])
  await alice.lfs('lock', 'a.bin')
  const refused = await bob.lfs('unlock', '--force', 'a.bin')
  t.equal(refused.code, 2)
  t.match(refused.err, /only an administrator of DEFAULT\/REST/)
  t.equal((await listed(alice)).length, 1)
  const administrator = await makeClone(t, addressOf('boss', boss, repository), ['a.bin'])
  t.match(await administrator.lfs('unlock', '--force', 'a.bin'), { code: 0, out: 'Unlocked a.bin\n' })
  t.match(service.audit.at(-1), { by: 'boss', reason: 'git lfs unlock --force', holders: ['alice'] })
  t.same(await listed(alice), [])
})

t.test('every name of a file is itself and no other', { skip }, async t => {
  const { alice, bob } = await clones(t, NAMES)
  for (const name of NAMES) {
    t.match(await alice.lfs('lock', name), { code: 0, out: `Locked ${name}\n` })
    t.match(await listed(bob, '--path', name), [{ path: name, owner: { name: 'alice' } }])
    t.equal((await listed(bob, '--path', name)).length, 1, name)
    t.match(await bob.lfs('lock', name), { code: 2 })
  }
  t.same(
    (await listed(bob)).map(lock => lock.path),
    NAMES,
  )
  for (const name of NAMES) t.match(await alice.lfs('unlock', name), { code: 0, out: `Unlocked ${name}\n` })
  t.same(await listed(bob), [])
})

t.test('more locks than a page has are all shown', { skip }, async t => {
  const { repository, alice } = await clones(t, ['a.bin'])
  const resources = Array.from({ length: 1205 }, (_, file) => ({
    type: `git-lfs/${repository}`,
    id: `file ${file}`,
  }))
  for (const part of [resources.slice(0, 900), resources.slice(900)]) {
    const { status } = await service.call('POST', LOCKS, {
      key: keys.bob,
      body: { resources: part, ttl: null, reentry: 'user' },
    })
    t.equal(status, 201)
  }
  const before = service.log.length
  const locks = await listed(alice)
  t.same(new Set(locks.map(lock => lock.path)), new Set(resources.map(({ id }) => id)))
  t.equal(locks.length, 1205, 'none of them twice')
  const requests = service.log.slice(before).filter(line => line.msg === 'request')
  t.equal(requests.length, 13, 'one request a page')
  const { code, err } = await alice.prePush()
  t.equal(code, 0, err)
})

t.test('a push is told of the locks that it meets', { skip }, async t => {
  const { repository, alice, bob } = await clones(t, ['a.bin', 'b.bin'])
  await alice.lfs('lock', 'a.bin')
  await bob.lfs('lock', 'b.bin')
  const asked = await alice.prePush()
  t.equal(asked.code, 0)
  t.match(asked.err + asked.out, /Locking support detected/)
  t.match(asked.err + asked.out, /b\.bin - bob/)
  t.match(asked.err, /would have halted this push/)
  await alice.git(['config', 'lfs.locksverify', 'true'])
  const halted = await alice.prePush()
  t.equal(halted.code, 2)
  t.match(halted.out + halted.err, /Unable to push locked files:\n\* b\.bin - bob/)
  t.match(halted.err, /Cannot update locked files/)
  t.notMatch(halted.out + halted.err, /a\.bin/, 'her own does not stop her')
  await bob.lfs('unlock', 'b.bin')
  const pushed = await alice.prePush()
  t.equal(pushed.code, 0, pushed.err)
  const viewer = await makeClone(t, addressOf('victor', keys.viewer, repository), ['a.bin'])
  await viewer.git(['config', 'lfs.locksverify', 'true'])
  const refused = await viewer.prePush()
  t.equal(refused.code, 2)
  t.match(refused.err, /needs a key with the role locker/)
})

t.test('an address without a repository does not switch the verification off', { skip }, async t => {
  const clone = await makeClone(t, addressOf('alice', keys.alice, '').replace(/\/$/, ''), ['a.bin'])
  await clone.git(['config', 'lfs.locksverify', 'true'])
  const { code, err } = await clone.prePush()
  t.equal(code, 2)
  t.match(err, /address of a repository/)
  t.notMatch((await clone.git(['config', '--list', '--local'])).out, /locksverify=false/)
})

t.test('a clone that has no lfs.url finds the same locks by its remote', { skip }, async t => {
  const { repository, alice, bob } = await clones(t, ['a.bin'])
  await bob.git(['config', '--unset', 'lfs.url'])
  await bob.git(['remote', 'set-url', 'origin', addressOf('bob', keys.bob, repository)])
  await alice.lfs('lock', 'a.bin')
  t.match(await listed(bob), [{ path: 'a.bin', owner: { name: 'alice' } }])
  t.equal((await bob.lfs('lock', 'a.bin')).code, 2)
  await bob.git(['remote', 'set-url', 'origin', `${addressOf('bob', keys.bob, repository)}.git`])
  t.match(await listed(bob), [{ path: 'a.bin', owner: { name: 'alice' } }])
})

t.test('a key comes from the credential helper as well, and a wrong one gets nothing', { skip }, async t => {
  const repository = uniqueId()
  const clone = await makeClone(t, `${service.url}${BASE}/${repository}`, ['a.bin'])
  t.equal((await clone.lfs('lock', 'a.bin')).code, 2, 'nobody')
  await clone.git(['config', 'credential.helper', 'store'])
  const known = (key: string) =>
    clone.git(
      ['credential', 'approve'],
      `protocol=http\nhost=127.0.0.1:${service.port}\nusername=alice\npassword=${key}\n\n`,
    )
  await known('lh_wrong')
  t.equal((await clone.lfs('lock', 'a.bin')).code, 2, 'a wrong key')
  await known(keys.alice)
  t.match(await clone.lfs('lock', 'a.bin'), { code: 0, out: 'Locked a.bin\n' })
  t.match(await listed(clone), [{ owner: { name: 'alice' } }])
})

t.test('objects are refused with a message that can be read', { skip }, async t => {
  const { alice } = await clones(t, ['a.bin'])
  await alice.lfs('install', '--local', '--skip-repo')
  await alice.lfs('track', '*.bin')
  await alice.git(['add', '--renormalize', '.'])
  await alice.git(['commit', '--quiet', '--message=Give it to LFS'])
  const { code, err } = await alice.prePush()
  t.equal(code, 2)
  t.match(err, /this server keeps the locks of Git LFS and no objects/)
  t.notMatch((await alice.git(['config', '--list', '--local'])).out, /locksverify=false/)
})

t.test('nothing is left over of what was given back', { skip }, async t => {
  t.same(await faults(service.stores), [])
})
