import t from 'tap'
import type { Principal } from '../../src/locks/api-key.ts'
import { type AuditEvent, LockService } from '../../src/locks/lock-service.ts'
import { granted, openStores } from '../support/database.ts'

const principal = (user: string, role: Principal['role'], namespace = 'tests'): Principal => ({
  keyId: '1',
  user,
  role,
  namespace,
})

t.test('who may release sets, and what goes on record', async t => {
  const stores = await openStores(t)
  const audit: AuditEvent[] = []
  const service = new LockService(stores.locks, event => audit.push(event))
  await granted(stores, ['a', 'b'])
  await granted(stores, 'c', { holder: 'root' })
  const all = { namespace: 'tests', which: { kind: 'all' } } as const
  const force = { reason: 'ws-15 was stolen' }
  await t.rejects(service.releaseSet(principal('alice', 'viewer'), all), { code: 'forbidden' })
  await t.rejects(service.releaseSet(principal('alice', 'locker', 'elsewhere'), all), { code: 'forbidden' })
  await t.rejects(service.releaseSet(principal('alice', 'locker'), all, force), { code: 'forbidden' })
  t.match(await service.releaseSet(principal('bob', 'locker'), all), { kind: 'released', count: 0 })
  t.match(await service.releaseSet(principal('root', 'admin'), all, force), { kind: 'released', count: 3 })
  t.match(audit, [
    {
      event: 'lock_force_released',
      by: 'root',
      reason: 'ws-15 was stolen',
      namespace: 'tests',
      holders: ['alice'],
    },
  ])
  t.equal(audit[0]?.lockIds.length, 2)
  await granted(stores, 'a', { holder: 'root' })
  await service.releaseSet(principal('root', 'admin'), all, force)
  t.equal(audit.length, 1, 'nothing of anybody else was released')
})
