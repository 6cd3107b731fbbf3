import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { type Service, startService } from '../../service.ts'
import { HERE, TEAM } from './bimplus-client.ts'
import type { SdkCall, SdkResult } from './sdk-process.ts'

const PROCESS = fileURLToPath(new URL('sdk-process.js', import.meta.url))
const HOUSE = '770dbe31-8df0-441a-92de-b464bfdfa0e8'
const DOOR = '0b3f7d1e-6a57-4a4e-8f0c-1f3f5d8f5b10'

async function calls(
  service: Service,
  name: string,
  steps: readonly [string, string, ...unknown[]][],
): Promise<SdkResult[]> {
  const list = steps.map(([user, path, ...args]): SdkCall => {
    const [part, call] = path.split('.') as [SdkCall['part'], string]
    return { user, part, call, args }
  })
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [PROCESS, name, service.url, JSON.stringify(list)],
    { timeout: 60_000 },
  )
  return JSON.parse(stdout)
}

async function house(t: Parameters<typeof startService>[0]) {
  const service = await startService(t)
  const { admin } = service.keys
  await service.call('PUT', `${HERE}/resources/object/${HOUSE}`, { key: admin, body: {} })
  const parent = { type: 'object', id: HOUSE }
  await service.call('PUT', `${HERE}/resources/object/${DOOR}`, { key: admin, body: { parent } })
  const keys = {
    alice: await service.keyOf('alice', 'locker', TEAM),
    bob: await service.keyOf('bob', 'locker', TEAM),
    boss: await service.keyOf('boss', 'admin', TEAM),
  }
  const numbers = await service.services.users.numbersOf(Object.keys(keys))
  const holds = (user: string, ...objects: string[]) => [
    {
      user: {
        id: `00000000-0000-8000-8000-${Number(numbers.get(user)).toString(16).padStart(12, '0')}`,
        email: user,
      },
      objects,
    },
  ]
  const signIn = (user: keyof typeof keys): [string, string, ...unknown[]] => [
    user,
    'authorize.post',
    user,
    keys[user],
    'application',
  ]
  return { service, signIn, holds }
}

const refused = { rejected: 403, why: 'error', text: 'Object already locked' }

t.test('bimplus-websdk 1.0.56 signs in, locks, looks, is refused and unlocks', async t => {
  const { service, signIn, holds } = await house(t)
  const results = await calls(service, 'bimplus-websdk', [
    ['nobody', 'authorize.checkAccessToken'],
    ['nobody', 'authorize.post', 'alice', 'wrong', 'application'],
    signIn('alice'),
    signIn('bob'),
    signIn('boss'),
    ['alice', 'authorize.checkAccessToken'],
    ['alice', 'locks.checkLocked', HOUSE],
    ['alice', 'locks.lockObject', HOUSE],
    [
      'alice',
      'locks.lockObject',
      HOUSE.toUpperCase(),
      JSON.stringify({ user: 'ignored', objects: 'ignored' }),
    ],
    ['bob', 'locks.checkLocked', DOOR],
    ['bob', 'locks.getLocksWithChildren', HOUSE],
    ['bob', 'locks.lockObject', DOOR],
    ['bob', 'locks.deleteLock', HOUSE],
    ['bob', 'locks.deleteLock', HOUSE, true],
    ['boss', 'locks.deleteLock', DOOR],
    ['boss', 'locks.deleteLock', DOOR, true],
    ['bob', 'locks.getLocksWithChildren', HOUSE],
    ['alice', 'locks.deleteLock', HOUSE],
    ['alice', 'locks.deleteLock', HOUSE],
    ['bob', 'locks.checkLocked', HOUSE],
    ['bob', 'locks.lockObject', DOOR],
  ])
  t.match(results.splice(0, 2), [
    { rejected: 401, text: /access_token/ },
    { rejected: 401, text: /password/ },
  ])
  for (const { resolved } of results.splice(0, 3) as { resolved: unknown }[]) {
    t.match(resolved, { access_token: /^[0-9a-f]{32}$/, expires_in: 7200, token_type: 'BimPlus' })
  }
  const both = [DOOR, HOUSE]
  t.match(results.splice(-8, 1), [{ rejected: 403, text: /role admin/ }], 'bob is no administrator')
  t.match(results.shift(), { resolved: { token_type: 'BimPlus' } })
  t.same(results, [
    { resolved: [] },
    { resolved: JSON.stringify(holds('alice', ...both)) },
    { resolved: JSON.stringify(holds('alice', ...both)) },
    { resolved: holds('alice', DOOR) },
    { resolved: holds('alice', ...both) },
    refused,
    refused,
    refused,
    { resolved: {} },
    { resolved: holds('alice', HOUSE) },
    { resolved: {} },
    { resolved: {} },
    { resolved: [] },
    { resolved: JSON.stringify(holds('bob', DOOR)) },
  ])
})

t.test('bimplus-websdk 0.0.137, whose paths end in a space, does the same', async t => {
  const { service, signIn, holds } = await house(t)
  const results = await calls(service, 'bimplus-websdk-0.0.137', [
    signIn('alice'),
    signIn('bob'),
    ['alice', 'locks.checkLocked', HOUSE],
    ['alice', 'locks.lockObject', HOUSE],
    ['bob', 'locks.checkLocked', HOUSE],
    ['bob', 'locks.lockObject', HOUSE],
    ['bob', 'locks.deleteLock', HOUSE],
    ['alice', 'locks.deleteLock', HOUSE],
    ['bob', 'locks.lockObject', DOOR],
    ['bob', 'locks.deleteLock', DOOR],
    ['bob', 'locks.checkLocked', DOOR],
  ])
  t.match(results.splice(0, 2), [
    { resolved: { token_type: 'BimPlus' } },
    { resolved: { token_type: 'BimPlus' } },
  ])
  t.same(results, [
    { resolved: [] },
    { resolved: holds('alice', DOOR, HOUSE) },
    { resolved: holds('alice', DOOR, HOUSE) },
    { rejected: 403, why: 'error', text: '{"message":"Object already locked"}' },
    refused,
    { resolved: {} },
    { resolved: holds('bob', DOOR) },
    { resolved: {} },
    { resolved: [] },
  ])
})
