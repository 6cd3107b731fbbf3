import t from 'tap'
import {
  objectTypeOf,
  objectTypesOf,
  resourceTypeOf,
} from '../../../../src/http/dialects/polaris/object-types.ts'
import { startService } from '../../service.ts'
import { PolarisClient, polarisSettings, type Workstation } from './client.ts'

/** Object types that are resource types of other products. */

const types = objectTypesOf([
  ['27', 'defect'],
  ['3', 'requirement'],
])
const service = await startService(t, { dialects: polarisSettings({ types }) })
const client = new PolarisClient(service)
const alice = await client.workstation('alice', 15)
const bob = await client.workstation('bob', 16)
const LOCKS = '/v1/namespaces/polaris/locks'

/** What the native API lists, as `type id holder`. */
async function listed(): Promise<readonly string[]> {
  const { json } = await service.call('GET', LOCKS, { key: service.keys.admin })
  return json.locks.map(
    ({ resource, holder }: { resource: { type: string; id: string }; holder: string }) =>
      `${resource.type} ${resource.id} ${holder}`,
  )
}

async function lockNatively(type: string, id: string): Promise<void> {
  const key = await client.keyOf('bob')
  const { status, text } = await service.call('POST', LOCKS, { key, body: { resources: [{ type, id }] } })
  if (status !== 201) throw new Error(text)
}

const objectsOf = async (answer: ReturnType<Workstation['own']>) =>
  (await answer).json.map(
    ({ ObjectTypeID, ObjectID }: { ObjectTypeID: number; ObjectID: number }) => `${ObjectTypeID} ${ObjectID}`,
  )

t.beforeEach(async () => {
  await service.stores.sql('delete from locks')
})

t.test('every object type is one resource type, and no resource type is two of them', async t => {
  t.equal(resourceTypeOf(types, 27), 'defect')
  t.equal(resourceTypeOf(types, 28), '28')
  t.equal(objectTypeOf(types, 'defect'), 27)
  t.equal(objectTypeOf(types, '28'), 28)
  t.equal(objectTypeOf(types, '27'), undefined, 'the number stands for another type')
  for (const none of ['test', '028', '0', '-1', '2147483648']) t.equal(objectTypeOf(types, none), undefined)
  t.equal(objectTypeOf(objectTypesOf([['27', '27']]), '27'), 27)
})

t.test('a mapped object is locked, told, refused and released by its number', async t => {
  t.match(await alice.lock(27, 1), {
    status: 200,
    json: { ObjectTypeID: 27, ObjectID: 1, ExistingLock: false },
  })
  t.same(await listed(), ['defect 1 alice'])
  t.match(await alice.lock(27, 1), { status: 200, json: { ObjectTypeID: 27, ExistingLock: true } })
  t.match(await bob.lock(27, 1), {
    status: 409,
    json: { Data: { ObjectTypeID: 27, PolarisUserName: 'alice' } },
  })
  t.match(await bob.look(27, 1), { status: 200, json: { ObjectTypeID: 27, ObjectID: 1 } })
  t.match(await bob.unlock(27, 1), { status: 409, json: { Data: { ObjectTypeID: 27, ObjectID: 1 } } })
  t.equal((await alice.unlock(27, 1)).status, 200)
  t.same(await listed(), [])
  const { json } = await bob.look(27, 1)
  t.equal(json.Message, 'the object 1 of type 27 is not locked')
})

t.test('many objects of a mapped type are locked, and the refused one is told by its number', async t => {
  const { status, json } = await alice.lockMany(3, [8, 7])
  t.equal(status, 200)
  t.match(json, [
    { ObjectTypeID: 3, ObjectID: 8 },
    { ObjectTypeID: 3, ObjectID: 7 },
  ])
  t.same(await listed(), ['requirement 8 alice', 'requirement 7 alice'])
  t.match(await bob.lockMany(3, [6, 7]), { status: 409, json: { Data: { ObjectTypeID: 3, ObjectID: 7 } } })
})

t.test('lists have mapped and other types alike, and nothing that has no number', async t => {
  await alice.lock(27, 1)
  await alice.lock(28, 1)
  await lockNatively('defect', '2')
  await lockNatively('27', '1')
  await lockNatively('defect', 'two')
  await lockNatively('Defect', '3')
  t.same(await objectsOf(alice.own()), ['27 1', '28 1'])
  t.same(await objectsOf(bob.all()), ['27 1', '28 1', '27 2'])
  t.match(await alice.lock(27, 2), {
    status: 409,
    json: { Data: { ObjectTypeID: 27, PolarisUserName: 'bob' } },
  })
  t.equal((await alice.unlockAll()).status, 200)
  t.same(await objectsOf(bob.all()), ['27 2'])
})

t.test('an object that a closed namespace does not have is told by its number', async t => {
  const closed = await startService(t, { dialects: polarisSettings({ types }) })
  const carol = await new PolarisClient(closed).workstation('carol', 15)
  const namespace = '/v1/namespaces/polaris'
  const key = closed.keys.admin
  await closed.call('PUT', `${namespace}/resources/defect/1`, { key, body: {} })
  await closed.call('PUT', namespace, { key, body: { closed: true } })
  t.equal((await carol.lock(27, 1)).status, 200)
  t.match(await carol.lock(27, 2), { status: 404, json: { Message: 'there is no object 2 of type 27' } })
})

t.test('what is cleared at a sign-in is cleared of mapped types, too', async t => {
  const clearing = await startService(t, { dialects: polarisSettings({ types, clearsLocksAtSignIn: true }) })
  const client = new PolarisClient(clearing)
  const first = await client.workstation('carol', 15)
  t.equal((await first.lock(27, 1)).status, 200)
  const second = await client.workstation('carol', 15)
  t.same(await objectsOf(second.own()), [])
  t.same((await clearing.call('GET', LOCKS, { key: clearing.keys.admin })).json.locks, [])
})
