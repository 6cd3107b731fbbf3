import t from 'tap'
import { connectedTo } from '../../support/scratch-database.ts'
import { untilTrue } from '../../support/waiting.ts'
import { LOCKS, NAMESPACE, startService } from '../service.ts'

const HISTORY = `/v1/namespaces/${encodeURIComponent(NAMESPACE)}/history`

type Service = Awaited<ReturnType<typeof startService>>

async function acquire(service: Service, id: string, options: object = {}, key?: string) {
  const body = { resources: [{ type: 'defect', id }], ...options }
  const answer = await service.call('POST', LOCKS, { key: key ?? service.keys.alice, body })
  if (answer.status !== 201) throw new Error(answer.text)
  return answer.json.locks[0]
}

/** Waits until whatever is in the history can be read: other tests have transactions under way on the same server. */
function settled({ stores }: Service): Promise<void> {
  return untilTrue(
    stores,
    'select coalesce(max(xid) < pg_snapshot_xmin(pg_current_snapshot()), true) as yes from lock_events',
  )
}

/** One page, once everything is settled. */
async function history(service: Service, query = '', key = service.keys.viewer) {
  await settled(service)
  return read(service, query, key)
}

async function read(service: Service, query = '', key = service.keys.viewer) {
  const answer = await service.call('GET', `${HISTORY}${query}`, { key })
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.json
}

const kinds = (page: { events: readonly { kind: string; resource: { id: string } }[] }) =>
  page.events.map(({ kind, resource }) => `${kind} ${resource.id}`)

t.test('the history tells what became of a lock, and who ended it', async t => {
  const service = await startService(t)
  const lock = await acquire(service, '2', { client: 'ws-15' })
  await service.call('DELETE', `${LOCKS}/${lock.id}?force=true&reason=ticket%204711`, {
    key: service.keys.admin,
  })
  const page = await history(service)
  const same = {
    lock: lock.id,
    fencing_token: lock.fencing_token,
    namespace: NAMESPACE,
    resource: { type: 'defect', id: '2' },
    holder: 'alice',
    client: 'ws-15',
    session: lock.session,
    lock_time: lock.lock_time,
    expired_at: null,
  }
  const [granted, forced] = page.events
  t.same(granted, {
    ...same,
    id: granted.id,
    kind: 'granted',
    at: lock.lock_time,
    ended_by: null,
    reason: null,
  })
  t.same(forced, {
    ...same,
    id: forced.id,
    kind: 'forced',
    at: forced.at,
    ended_by: 'root',
    reason: 'ticket 4711',
  })
  t.ok(forced.at > granted.at)
  t.equal(page.events.length, 2)
  t.equal(page.next_cursor, null)
})

t.test('the history can be filtered by whatever is in it', async t => {
  const service = await startService(t)
  const a = await acquire(service, 'a')
  const b = await acquire(service, 'b', {}, service.keys.bob)
  await service.call('DELETE', `${LOCKS}/${a.id}`, { key: service.keys.alice })
  const other = { resources: [{ type: 'report', id: 'a' }] }
  await service.call('POST', LOCKS, { key: service.keys.alice, body: other })
  t.same(kinds(await history(service)), ['granted a', 'granted b', 'released a', 'granted a'])
  t.same(kinds(await history(service, '?type=report')), ['granted a'])
  t.same(kinds(await history(service, '?type=defect&id=a')), ['granted a', 'released a'])
  t.same(kinds(await history(service, `?lock=${b.id}`)), ['granted b'])
  t.same(kinds(await history(service, '?holder=bob')), ['granted b'])
  t.same(kinds(await history(service, `?session=${a.session}`)), ['granted a', 'released a'])
  t.same(kinds(await history(service, '?kind=released')), ['released a'])
  t.same(kinds(await history(service, '?order=newest&limit=2')), ['granted a', 'released a'])
  const from = encodeURIComponent(b.lock_time)
  t.same(kinds(await history(service, `?from=${from}&holder=alice`)), ['released a', 'granted a'])
  t.same(kinds(await history(service, `?to=${from}`)), ['granted a'])
  t.same(kinds(await history(service, '?from=2026-01-06T15:13:11.123%2B01:00&to=2026-01-06T16:00:00Z')), [])
})

for (const [query, field] of [
  ['kind=lost', 'query kind'],
  ['from=yesterday', 'query from'],
  ['from=2026-01-06T15:13:11', 'query from'],
  ['to=0001-01-06T15:13:11Z', 'query to'],
  ['order=random', 'query order'],
  ['limit=0', 'query limit'],
  ['cursor=abc', 'query cursor'],
  [`cursor=${Buffer.from('99999999999999999999.1').toString('base64url')}`, 'query cursor'],
  ['lock=0', 'query lock'],
  ['session=1', 'query session'],
  ['what=ever', 'query what'],
]) {
  t.test(`?${query} is refused, with the place named`, async t => {
    const service = await startService(t)
    const answer = await service.call('GET', `${HISTORY}?${query}`, { key: service.keys.viewer })
    t.equal(answer.status, 400)
    t.match(answer.json, { code: 'invalid_request', errors: [{ field }] })
  })
}

t.test('the history of a namespace is for whoever may look at its locks', async t => {
  const service = await startService(t)
  await acquire(service, 'a')
  const stranger = await service.keyOf('mallory', 'admin', 'elsewhere')
  t.equal((await service.call('GET', HISTORY, { key: stranger })).status, 403)
  t.equal((await service.call('GET', HISTORY)).status, 401)
  t.same(kinds(await history(service, '', service.keys.viewer)), ['granted a'])
  t.same((await history(service, '', service.keys.admin)).events.length, 1)
  const own = await service.call('GET', '/v1/namespaces/elsewhere/history', { key: stranger })
  t.same(own.json, { events: [], next_cursor: null, resume_cursor: null })
})

for (const order of ['oldest', 'newest']) {
  t.test(`pages of the history, the ${order} first, have every event once`, async t => {
    const service = await startService(t)
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      const lock = await acquire(service, id)
      await service.call('DELETE', `${LOCKS}/${lock.id}`, { key: service.keys.alice })
    }
    const whole = await history(service, `?order=${order}`)
    const found: unknown[] = []
    let cursor: string | null = null
    let pages = 0
    do {
      const page: typeof whole = await history(
        service,
        `?order=${order}&limit=3${cursor === null ? '' : `&cursor=${cursor}`}`,
      )
      found.push(...page.events)
      cursor = page.next_cursor
      pages += 1
    } while (cursor !== null)
    t.same(found, whole.events)
    t.equal(pages, 4)
    const ids = found.map(event => Number((event as { id: string }).id))
    const sorted = [...ids].sort((one, other) => (order === 'oldest' ? one - other : other - one))
    t.same(ids, sorted)
  })
}

t.test('whoever reads on misses nothing that is committed late', async t => {
  const service = await startService(t)
  await acquire(service, 'first')
  await settled(service)
  const dba = await connectedTo(t, service.stores.url, 'leasehold')
  await dba.query('begin')
  await dba.query('delete from locks')
  const late = await acquire(service, 'second')
  await acquire(service, 'third')

  const early = await read(service)
  t.same(kinds(early), ['granted first'], 'what came after the open transaction is held back with it')
  const empty = await read(service, `?cursor=${early.resume_cursor}`)
  t.same(empty.events, [])
  t.equal(empty.resume_cursor, early.resume_cursor, 'a reader goes on from where it was')
  const ids = await service.stores.sql<{ id: string; kind: string }>(
    'select id, kind from lock_events where xid >= pg_snapshot_xmin(pg_current_snapshot())',
  )
  t.equal(ids.length, 2, 'it is committed, and would have been read')

  await dba.query('commit')
  const rest = await history(service, `?cursor=${early.resume_cursor}`)
  t.same(kinds(rest), ['deleted first', 'granted second', 'granted third'])
  t.ok(Number(rest.events[0].id) < Number(rest.events[1].id), 'its id was drawn first, and committed last')
  t.equal(rest.events[1].lock, late.id)
  t.same((await history(service, `?cursor=${rest.resume_cursor}`)).events, [])
})
