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
