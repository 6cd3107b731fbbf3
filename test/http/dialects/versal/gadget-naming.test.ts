import t from 'tap'
import { faults, request } from '../../../support/database.ts'
import { DIALECTS, startService, uniqueId } from '../../service.ts'
import { ALONE, NAMESPACE, wireOf } from './wire.ts'

/** Gadgets that other products know: their resource type is a setting, and their ids may be their whole names. */

const service = await startService(t, { dialects: { versal: ALONE } })
const wire = wireOf(service)
const bobsKey = await service.keyOf('bob', 'locker', NAMESPACE)
const aliceKey = await service.keyOf('alice', 'locker', NAMESPACE)
const alice = await wire.signIn('alice')
const bob = await wire.signIn('bob')
const LOCKS = `/v1/namespaces/${NAMESPACE}/locks`

const freshCourse = (): string => `c${uniqueId()}`
let lastNumber = 100
const freshGadget = (): string => {
  lastNumber += 1
  return String(lastNumber)
}

/** Takes a lock through the native API, and gives its id. */
async function lockNatively(key: string, id: string, rest: object = {}, type = 'defect'): Promise<string> {
  const body = { resources: [{ type, id }], ...rest }
  const { status, json, text } = await service.call('POST', LOCKS, { key, body })
  if (status !== 201) throw new Error(text)
  return json.locks[0].id
}

t.beforeEach(async () => {
  await service.stores.sql('delete from locks')
})

t.test('a type alone can be set: ids still have their course', async t => {
  const versal = { ...DIALECTS.versal, gadgetType: 'defect' }
  const typed = await startService(t, { dialects: { versal } })
  const wire = wireOf(typed)
  const sid = await wire.signIn('alice')
  const { json: held, status } = await wire.lock(sid, 'abcdef', '7')
  t.equal(status, 201)
  t.match(held, { type: 'gadget', subject: { courseId: 'abcdef', gadgetId: '7' } })
  const { json } = await typed.call('GET', LOCKS, { key: typed.keys.admin })
  t.match(json.locks, [{ resource: { type: 'defect', id: 'abcdef/7' }, metadata: {} }])
  t.match((await wire.locksOf(sid, 'abcdef')).json, [{ id: held.id, type: 'gadget' }])
  t.equal((await wire.unlock(sid, held.id)).status, 200)
})

t.test('with ids alone, a gadget is the resource of its id, and the lock keeps the course', async t => {
  const [courseId, gadgetId] = [freshCourse(), freshGadget()]
  const { status, json: held } = await wire.lock(alice, courseId, gadgetId)
  t.equal(status, 201)
  t.match(held, { type: 'gadget', subject: { courseId, gadgetId }, expiresIn: 900_000 })
  const { json } = await service.call('GET', LOCKS, { key: service.keys.admin })
  t.match(json.locks, [
    { resource: { type: 'defect', id: gadgetId }, reference: null, metadata: { courseId }, holder: 'alice' },
  ])
  t.match((await wire.locksOf(bob, courseId)).json, [{ id: held.id, subject: { courseId, gadgetId } }])
  t.same((await wire.locksOf(bob, freshCourse())).json, [], 'another course does not have it')
  t.equal((await wire.lock(alice, courseId, gadgetId)).json.id, held.id)
  t.same((await wire.lock(bob, courseId, gadgetId)).json, { error: 403, message: 'Resource locked' })
  t.equal((await wire.unlock(bob, held.id)).status, 403)
  t.equal((await wire.unlock(alice, held.id)).status, 200)
  t.same((await wire.locksOf(bob, courseId)).json, [])
})

t.test('gadgets of two courses that have one id are one', async t => {
  const [here, there, gadgetId] = [freshCourse(), freshCourse(), freshGadget()]
  const { json: held } = await wire.lock(alice, here, gadgetId)
  t.same((await wire.lock(bob, there, gadgetId)).json, { error: 403, message: 'Resource locked' })
  const { status, json: again } = await wire.lock(alice, there, gadgetId)
  t.equal(status, 201)
  t.same(again, held, 'the same lock, told as what it is')
  t.match((await wire.locksOf(bob, here)).json, [{ id: held.id }])
  t.same((await wire.locksOf(bob, there)).json, [])
})

t.test('a user has one gadget in all courses', async t => {
  const [here, there] = [freshCourse(), freshCourse()]
  await wire.lock(alice, here, freshGadget())
  const { json: second } = await wire.lock(alice, there, freshGadget())
  t.same((await wire.locksOf(bob, here)).json, [])
  t.match((await wire.locksOf(bob, there)).json, [{ id: second.id }])
  t.same(await faults(service.stores), [])
})

t.test('a lock of another API costs nobody a gadget, and is not given up for one', async t => {
  const [courseId, first, second] = [freshCourse(), freshGadget(), freshGadget()]
  const id = await lockNatively(aliceKey, first)
  t.equal((await wire.lock(alice, courseId, second)).status, 201)
  t.equal((await wire.lock(alice, courseId, first)).json.id, id, 'to ask for it leaves it what it is')
  t.equal((await wire.locksOf(bob, courseId)).json.length, 2)
})

t.test('a lock of another API may be in any course, is refused, and unlocked by its holder', async t => {
  const [here, there, gadgetId] = [freshCourse(), freshCourse(), freshGadget()]
  const id = await lockNatively(bobsKey, gadgetId)
  await lockNatively(bobsKey, gadgetId, {}, 'gadget')
  for (const courseId of [here, there]) {
    t.match((await wire.locksOf(alice, courseId)).json, [{ id, subject: { courseId, gadgetId } }])
  }
  t.equal((await wire.locksOf(alice, here)).json.length, 1, 'and none of another type')
  t.same((await wire.lock(alice, there, gadgetId)).json, { error: 403, message: 'Resource locked' })
  const own = await wire.lock(bob, there, gadgetId)
  t.match(own.json, { id, subject: { courseId: there, gadgetId } }, 'in the course that was asked for')
  t.equal((await wire.unlock(bob, id)).status, 200)
})

t.test('another API may say the course in the metadata; the reference says nothing', async t => {
  const [here, there] = [freshCourse(), freshCourse()]
  const named = await lockNatively(bobsKey, freshGadget(), { metadata: { courseId: here } })
  const others = [
    await lockNatively(bobsKey, freshGadget(), { reference: there }),
    await lockNatively(bobsKey, freshGadget(), { metadata: { courseId: 'NO-COURSE' } }),
    await lockNatively(bobsKey, freshGadget(), { metadata: { courseId: 7 } }),
  ]
  const idsOf = async (courseId: string) =>
    (await wire.locksOf(alice, courseId)).json.map(({ id }: { id: string }) => id)
  t.same(await idsOf(here), [named, ...others])
  t.same(await idsOf(there), others)
})

t.test('a lock of another type is none of this API, whatever its id', async t => {
  for (const type of ['gadget', 'course']) {
    const id = await lockNatively(aliceKey, freshGadget(), { metadata: { courseId: 'abcdef' } }, type)
    t.equal((await wire.unlock(alice, id)).status, 404, type)
  }
  t.same((await wire.locksOf(alice, 'abcdef')).json, [])
})

t.test('ids have one spelling, that of the other APIs', async t => {
  const courseId = freshCourse()
  const proper = ['7', '0', '-7', '9'.repeat(768), 'a/b', 'ünï', '7a', '3b6c1f0e-58f5-4b8e-9a39-6f0f4f5f7c01']
  for (const gadgetId of proper) {
    const { status, json } = await wire.lock(alice, courseId, gadgetId)
    t.equal(status, 201, gadgetId)
    t.same(json.subject, { courseId, gadgetId })
  }
  const spellings = ['07', '00', '-0', '+7', '7.0', '7e0', '0x7', ' 7', '7 ', ' ', 'a ', '\ta']
  for (const gadgetId of [...spellings, '3B6C1F0E-58F5-4B8E-9A39-6F0F4F5F7C01']) {
    const { status, json } = await wire.lock(alice, courseId, gadgetId)
    t.equal(status, 404, JSON.stringify(gadgetId))
    t.same(json, { error: 404, message: `Gadget '${gadgetId}' not found` })
  }
})

t.test('a list reads on from where a page ended, whatever it left out', async t => {
  const courseId = freshCourse()
  const lockMany = async (from: number, metadata: object) => {
    const resources = Array.from({ length: 1000 }, (_, index) => ({ type: 'defect', id: `${from + index}` }))
    const body = { resources, metadata, ttl: 600 }
    t.equal((await service.call('POST', LOCKS, { key: bobsKey, body })).status, 201)
  }
  await lockMany(100_000, { courseId })
  await lockMany(200_000, { courseId: freshCourse() })
  const id = await lockNatively(bobsKey, freshGadget(), { metadata: { courseId } })
  const { json } = await wire.locksOf(alice, courseId)
  t.equal(json.length, 1001)
  t.equal(json.at(-1).id, id)
})

t.test('a closed namespace knows its courses and gadgets by the ids that they have', async t => {
  const closed = await startService(t, { dialects: { versal: ALONE } })
  const wire = wireOf(closed)
  const sid = await closed.keyOf('alice', 'locker', NAMESPACE)
  const key = closed.keys.admin
  const put = (path: string, body: object) =>
    closed.call('PUT', `/v1/namespaces/${NAMESPACE}${path}`, { key, body })
  await put('/resources/course/abcdef', {})
  await put('/resources/defect/7', { parent: { type: 'course', id: 'abcdef' } })
  await put('/resources/defect/8', {})
  await put('', { closed: true })
  t.equal((await wire.lock(sid, 'abcdef', '7')).status, 201)
  t.same((await wire.lock(sid, 'abcdef', '9')).json, { error: 404, message: "Gadget '9' not found" })
  t.same((await wire.lock(sid, 'ghijkl', '9')).json, { error: 404, message: "Course 'ghijkl' not found" })
  t.match((await wire.locksOf(sid, 'abcdef')).json, [{ subject: { courseId: 'abcdef', gadgetId: '7' } }])
  const body = { resources: [{ type: 'defect', id: '8' }] }
  t.equal((await closed.call('POST', LOCKS, { key, body })).status, 201)
  const nowhere = await wire.locksOf(sid, 'ghijkl')
  t.equal(nowhere.status, 404, 'a lock that may be anywhere makes no course')
  t.equal((await wire.locksOf(sid, 'abcdef')).json.length, 2)
})

t.test(
  'a list ends at ten thousand locks and says so, and is still read for the name of the course',
  async t => {
    const closing = await startService(t, { dialects: { versal: ALONE } })
    const wire = wireOf(closing)
    const sid = await closing.keyOf('alice', 'locker', NAMESPACE)
    for (let from = 1; from <= 9001; from += 1000) {
      const resources = Array.from({ length: 1000 }, (_, index) => ({
        namespace: NAMESPACE,
        type: 'defect',
        id: String(from + index),
      }))
      const [outcome] = await closing.stores.locks.acquire([{ ...request([]), resources }])
      t.match(outcome, { kind: 'granted' })
    }
    const whole = await wire.locksOf(sid, 'abcdef')
    t.equal(whole.json.length, 10_000)
    t.equal(whole.headers.get('leasehold-truncated'), null)

    t.equal((await wire.lock(sid, 'abcdef', '10001')).status, 201)
    await closing.call('PUT', `/v1/namespaces/${NAMESPACE}`, {
      key: closing.keys.admin,
      body: { closed: true },
    })
    const full = await wire.locksOf(sid, 'abcdef')
    t.equal(full.status, 200)
    t.equal(full.headers.get('leasehold-truncated'), 'true')
    const ids = (answer: typeof full) => answer.json.map(({ id }: { id: string }) => id)
    t.same(ids(full), ids(whole))
    t.same((await wire.locksOf(sid, 'ghijkl')).json, { error: 404, message: "Course 'ghijkl' not found" })
  },
)
