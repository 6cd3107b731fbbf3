import t from 'tap'
import { LockService } from '../../../../src/locks/lock-service.ts'
import { openStores } from '../../../support/database.ts'
import { startService } from '../../service.ts'
import { PolarisClient } from './client.ts'

/** The real service, with time for others to do something after each page. */
class PausingLockService extends LockService {
  afterPage: () => Promise<unknown> = async () => {}

  override async list(...of: Parameters<LockService['list']>) {
    const page = await super.list(...of)
    await this.afterPage()
    return page
  }
}

t.test('a list of many pages has every lock once, also one that changed hands meanwhile', async t => {
  const { url, locks: store } = await openStores(t)
  const locks = new PausingLockService(store, () => {})
  const client = new PolarisClient(await startService(t, { locks, stores: { url } }))
  const alice = await client.workstation('alice', 15)
  const bob = await client.workstation('bob', 16)
  await alice.lock(27, 5000)
  for (let from = 1; from <= 2001; from += 1000) {
    const ids = Array.from({ length: 1000 }, (_, index) => from + index)
    t.equal((await alice.lockMany(3, ids)).status, 200)
  }
  let pages = 0
  locks.afterPage = async () => {
    pages += 1
    if (pages > 1) return
    t.equal((await alice.unlock(27, 5000)).status, 200)
    t.equal((await bob.lock(27, 5000)).status, 200)
  }
  const { status, json } = await alice.all()
  t.equal(status, 200)
  t.equal(pages, 4)
  t.equal(json.length, 3001)
  const twice = json.filter((lock: { ObjectTypeID: number }) => lock.ObjectTypeID === 27)
  t.match(twice, [{ ObjectID: 5000, PolarisUserName: 'bob' }])
  t.equal(twice.length, 1)
})

t.test('a list ends at ten thousand locks and says so, and a release of all takes the rest too', async t => {
  const { url, locks } = await openStores(t)
  const client = new PolarisClient(await startService(t, { stores: { url } }))
  const alice = await client.workstation('alice', 15)
  for (let from = 1; from <= 9001; from += 1000) {
    t.equal(
      (
        await alice.lockMany(
          3,
          Array.from({ length: 1000 }, (_, index) => from + index),
        )
      ).status,
      200,
    )
  }
  const whole = await alice.all()
  t.equal(whole.json.length, 10_000)
  t.equal(whole.headers.get('leasehold-truncated'), null)
  await alice.lock(27, 1)
  for (const answer of [await alice.all(), await alice.own()]) {
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('leasehold-truncated'), 'true')
    t.same(answer.json, whole.json)
  }
  t.equal((await alice.unlockAll()).status, 200)
  t.equal(await locks.count(), 0)
})
