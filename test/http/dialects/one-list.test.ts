import { randomUUID } from 'node:crypto'
import t from 'tap'
import { LOCKS, NAMESPACE, startService } from '../service.ts'
import { APIS } from './apis.ts'

/** Locks of records, of files, of states and of anything else are rows of one table: one list has them all. */

const service = await startService(t)
const { alice, bob, admin } = service.keys
const namespace = encodeURIComponent(NAMESPACE)
const basic = (user: string, key: string) => `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`

t.test('an ALM, a Terraform, a Git LFS and a native lock are four rows of one list', async t => {
  const alm = await APIS['ALM, locks'].signIn(service, 'alice', alice)
  t.equal((await alm.lock({ type: 'defect', id: '2', object: '2' })).status, 201)
  const id = randomUUID()
  const lockInfo = {
    ID: id,
    Operation: 'OperationTypeApply',
    Info: '',
    Who: 'ci@runner-7',
    Version: '1.11.4',
    Created: '2026-01-06T15:13:11.123456789Z',
    Path: '',
  }
  const state = await service.call('LOCK', `/terraform/${namespace}/network/prod/lock`, {
    headers: { authorization: basic('bob', bob) },
    body: lockInfo,
  })
  t.equal(state.status, 200)
  const file = await service.call('POST', `/lfs/${namespace}/website/locks`, {
    headers: {
      authorization: basic('alice', alice),
      accept: 'application/vnd.git-lfs+json',
      'content-type': 'application/vnd.git-lfs+json; charset=utf-8',
      'user-agent': 'git-lfs/3.3.0 (GitHub; linux amd64; go 1.19.8)',
    },
    body: { path: 'img/my logo.psd', ref: { name: 'refs/heads/main' } },
  })
  t.equal(file.status, 201)
  const plain = await service.call('POST', LOCKS, {
    key: bob,
    body: { resources: [{ type: 'environment', id: 'production' }], client: 'ci-8' },
  })
  t.equal(plain.status, 201)

  const { json } = await service.call('GET', LOCKS, { key: service.keys.viewer })
  const listed = json.locks.map(
    ({
      resource,
      holder,
      client,
      expires_at,
    }: { resource: { type: string; id: string } } & Record<string, unknown>) => [
      resource.type,
      resource.id,
      holder,
      client,
      expires_at === null ? 'until released' : 'expires',
    ],
  )
  const expected = [
    ['defect', '2', 'alice', 'node', 'expires'],
    ['terraform-state', 'network/prod', 'bob', 'ci@runner-7', 'until released'],
    ['git-lfs/website', 'img/my logo.psd', 'alice', 'git-lfs/3.3.0', 'until released'],
    ['environment', 'production', 'bob', 'ci-8', 'expires'],
  ]
  t.same(listed, expected)

  const rows = await service.stores.sql<Record<string, string | null>>(
    `select resource_type, resource_id, holder, client,
       case when time_left is null then 'until released' else 'expires' end as ends
     from held_locks where namespace = $1 order by id`,
    [NAMESPACE],
  )
  t.same(
    rows.map(row => Object.values(row)),
    expected,
    'the view of the DBA has the same four',
  )
  t.match(
    await service.stores.sql(
      `select metadata -> 'lock_info' ->> 'Operation' as operation, reference, age >= interval '0' as has_age
       from held_locks where resource_type = 'terraform-state'`,
    ),
    [{ operation: 'OperationTypeApply', reference: id, has_age: true }],
  )

  for (const { id: lockId } of json.locks) {
    const released = await service.call('DELETE', `${LOCKS}/${lockId}?force=true&reason=tidying`, {
      key: admin,
    })
    t.equal(released.status, 204, 'an administrator can end each of them through the native API')
  }
  t.same((await service.call('GET', LOCKS, { key: admin })).json.locks, [])
})
