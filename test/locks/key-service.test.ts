import t from 'tap'
import { ApiKeyRepository } from '../../src/database/api-key-repository.ts'
import type { ApiKeyStore, Principal } from '../../src/locks/api-key.ts'
import { DatabaseTrouble } from '../../src/locks/errors.ts'
import { KeyService } from '../../src/locks/key-service.ts'
import { openStores } from '../support/database.ts'

const ROOT: Principal = { keyId: '1', user: 'root', role: 'admin', namespace: '*' }

type Answer = (principal: Principal | undefined) => void

/** A store whose answers come when the test gives them. */
function slowStore() {
  const asked: Answer[] = []
  const store: Pick<ApiKeyStore, 'findByHash' | 'revoke'> = {
    findByHash: hash =>
      new Promise(resolve => asked.push(principal => resolve(principal && { principal, hash }))),
    revoke: async () => true,
  }
  return { store: store as ApiKeyStore, asked }
}

t.test('a key that is looked up while another is revoked is answered, and not remembered', async t => {
  const { store, asked } = slowStore()
  const keys = new KeyService(store, 60)
  const answer = keys.authenticate('some key', 'here')
  await keys.revoke(ROOT, '7')
  asked.pop()?.(ROOT)
  t.same(await answer, ROOT)
  const again = keys.authenticate('some key', 'here')
  t.equal(asked.length, 1, 'what was read before the revocation is not believed after it')
  asked.pop()?.(ROOT)
  t.same(await again, ROOT)
  t.same(await keys.authenticate('some key', 'here'), ROOT, 'from memory')
  t.equal(asked.length, 0)
})

t.test('an unknown key that is looked up while another is revoked is unknown, not an error', async t => {
  const { store, asked } = slowStore()
  const keys = new KeyService(store, 60)
  const answer = keys.authenticate('no key', 'here')
  await keys.revoke(ROOT, '7')
  asked.pop()?.(undefined)
  t.equal(await answer, undefined)
})

t.test('an unknown key is asked for again, and many requests with one key ask once', async t => {
  const { store, asked } = slowStore()
  const keys = new KeyService(store, 60)
  for (const principal of [undefined, ROOT]) {
    const answers = [keys.authenticate('new key', 'here'), keys.authenticate('new key', 'here')]
    t.equal(asked.length, 1)
    asked.pop()?.(principal)
    t.same(await Promise.all(answers), [principal, principal])
  }
})

t.test('a look-up that failed is not remembered', async t => {
  const failing: Pick<ApiKeyStore, 'findByHash'> = {
    findByHash: async () => {
      throw new Error('the database is away')
    },
  }
  const keys = new KeyService(failing as ApiKeyStore, 60)
  await t.rejects(keys.authenticate('some key', 'here'), /away/)
  failing.findByHash = async hash => ({ principal: ROOT, hash })
  t.same(await keys.authenticate('some key', 'here'), ROOT)
})

t.test('a first key that was stored while its answer was lost is the one that is shown', async t => {
  const stores = await openStores(t)
  const repository = new ApiKeyRepository(stores.database)
  let isLost = true
  const store: Pick<ApiKeyStore, 'createFirst' | 'findByHash'> = {
    async createFirst(key, when) {
      await repository.createFirst(key, when)
      if (isLost) throw new DatabaseTrouble('database_unavailable', 'unknown', 'the answer is lost')
    },
    findByHash: hash => repository.findByHash(hash),
  }
  const keys = new KeyService(store as ApiKeyStore, 5)
  await t.rejects(keys.ensureFirst(undefined))
  isLost = false
  const key = await keys.ensureFirst(undefined)
  t.match(await keys.authenticate(key ?? '', 'here'), { user: 'admin', role: 'admin', namespace: '*' })
  t.equal(await new KeyService(repository, 5).ensureFirst(undefined), undefined, 'others show none')
})
