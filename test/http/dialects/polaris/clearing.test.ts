import t from 'tap'
import { holdUp } from '../../../support/hold-up.ts'
import { startService } from '../../service.ts'
import { locksAt, PolarisClient, polarisSettings, type SignedIn } from './client.ts'

const CLEARS = { dialects: polarisSettings({ clearsLocksAtSignIn: true }) }

t.test('without the setting, a new sign-in finds the locks of the earlier one', async t => {
  const client = new PolarisClient(await startService(t))
  await (await client.workstation('alice', 15)).lock(27, 1)
  const again = await client.workstation('alice', 15)
  t.equal((await again.own()).json.length, 1)
})

t.test('with it, the first call of a new token clears the locks of its user and workstation', async t => {
  const service = await startService(t, CLEARS)
  const client = new PolarisClient(service)
  const first = await client.workstation('alice', 15)
  const elsewhere = await client.workstation(first, 16)
  const bob = await client.workstation('bob', 15)
  await first.lockMany(27, [1, 2])
  await elsewhere.lock(27, 3)
  await bob.lock(27, 4)
  t.equal((await first.own()).json.length, 2, 'not by a later call of the same token')

  const second = await client.workstation('alice', 15)
  t.equal((await bob.look(27, 1)).status, 200, 'not by the sign-in itself, which knows no workstation')
  t.match(await second.lock(27, 1), { status: 200, json: { ExistingLock: false } })
  t.equal((await bob.look(27, 2)).status, 404)
  t.equal((await bob.look(27, 3)).status, 200, 'another workstation keeps its locks')
  t.equal((await bob.look(27, 4)).status, 200, 'another user keeps his')
  t.equal((await second.own()).json.length, 1, 'later calls clear nothing')
  t.equal((await first.lock(27, 1)).json.ExistingLock, true, 'nor do later calls of the earlier token')

  const there = await client.workstation(second, 16)
  t.same((await there.own()).json, [], 'each workstation has a first call of its own')
})

t.test('first calls at once clear what was there, and nothing of what each other is granted', async t => {
  const service = await startService(t, CLEARS)
  const client = new PolarisClient(service)
  const ids = Array.from({ length: 20 }, (_, index) => index + 1)
  for (let round = 1; round <= 5; round += 1) {
    const before = await client.workstation('alice', 15)
    // so that some of what is asked for below is there from before
    t.equal((await before.lockMany(round, ids)).status, 200)
    const after = await client.workstation('alice', 15)
    const answers = await Promise.all(ids.map(id => after.lock(round, id + 10)))
    for (const answer of answers) {
      t.match(answer, { status: 200, json: { ExistingLock: false } })
    }
    const held = (await after.own()).json.map((lock: { ObjectID: number }) => lock.ObjectID)
    t.same(
      held.sort((a: number, b: number) => a - b),
      ids.map(id => id + 10),
    )
    await after.unlockAll()
  }
})

t.test('what was granted since the sign-in is kept, whoever of the user asked for it', async t => {
  const service = await startService(t, CLEARS)
  const client = new PolarisClient(service)
  const first = await client.workstation('alice', 15)
  await first.lock(27, 1)
  const second = await client.workstation('alice', 15)
  await first.lock(27, 2)
  const own = (await second.own()).json.map((lock: { ObjectID: number }) => lock.ObjectID)
  t.same(own, [2])
})

t.test('a viewer looks and clears nothing', async t => {
  const client = new PolarisClient(await startService(t, CLEARS))
  const locker = await client.workstation('alice', 15)
  await locker.lock(27, 1)
  const viewer = await client.workstation('alice', 15, 'viewer')
  t.equal((await viewer.own()).json.length, 1)
})

t.test('what tells that it was done is no token', async t => {
  const service = await startService(t, CLEARS)
  const client = new PolarisClient(service)
  const alice = await client.workstation('alice', 15)
  await alice.own()
  const sessions = await service.stores.sql<{ client: string | null; left: boolean }>(
    `select client, expires_at <= max(expires_at) filter (where client is null) over () + interval '1 second' as left
     from sessions order by client nulls first`,
  )
  t.same(sessions, [
    { client: null, left: true },
    { client: '15', left: true },
  ])
  const authorization = `PAS polaris:${alice.token}:${alice.secret} at 15`
  t.equal((await alice.send('GET', '', { headers: { authorization } })).status, 401)
})

t.test('trouble after locks were cleared does not say that nothing was changed', async t => {
  const service = await startService(t, { ...CLEARS, stores: { lockTimeoutMs: 50 } })
  const { stores } = service
  const client = new PolarisClient(service)
  const isKnown = { status: 504, json: { Message: /nothing was changed/ } }
  const isUnknown = { status: 504, json: { Message: /whether the change happened is not known/ } }
  const look = ({ authorization }: SignedIn) =>
    service.call('GET', locksAt(15), { headers: { authorization } })
  const lock = ({ authorization }: SignedIn, id: number) =>
    service.call('POST', locksAt(15), {
      headers: { authorization },
      body: { ObjectTypeID: 27, ObjectID: id },
    })
  const before = await client.workstation('alice', 15)
  await before.lock(27, 1)

  const second = await client.signIn('alice')
  const letGo = await holdUp(t, stores, 'insert on sessions', `new.client = '15'`)
  t.match(await look(second), isUnknown, 'what tells that it was done could not be written')
  t.same(await stores.sql('select id from locks'), [])
  t.match(await look(second), isKnown, 'nothing was left to clear')
  await letGo()

  await before.lock(27, 1)
  const third = await client.signIn('alice')
  const letGoOfLocks = await holdUp(t, stores, 'insert on locks', 'true')
  t.match(await lock(third, 2), isUnknown, 'the earlier lock went, the new one was not had')
  t.same(await stores.sql('select id from locks'), [])
  t.match(await lock(third, 2), isKnown, 'this call has cleared nothing')
  await letGoOfLocks()
  t.equal((await lock(third, 2)).status, 200)
})
