import t from 'tap'
import { Metrics } from '../../src/http/metrics.ts'
import { LOCKS, startService, uniqueId } from './service.ts'

t.test(
  'the metrics need a key of whatever role for every namespace, since they count the locks of all',
  async t => {
    const service = await startService(t)
    t.equal((await service.call('GET', '/metrics')).status, 401)
    const confined = await service.call('GET', '/metrics', { key: await service.keyOf('boss', 'admin') })
    t.equal(confined.status, 403)
    t.equal(confined.json.code, 'forbidden')
    const key = await service.keyOf('prometheus', 'viewer', '*')
    const { status, headers, text } = await service.call('GET', '/metrics', { key })
    t.equal(status, 200)
    t.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
    t.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
    t.match(text, /^process_resident_memory_bytes /m)
  },
)

t.test('the operator can let scrapers in without a key', async t => {
  const service = await startService(t, { publicMetrics: true })
  t.equal((await service.call('GET', '/metrics')).status, 200)
})

t.test('requests are counted by pattern and status, acquires by what they came to', async t => {
  const service = await startService(t)
  const { alice, bob } = service.keys
  const body = { resources: [{ type: 'file', id: uniqueId() }], session: crypto.randomUUID(), ttl: 30 }
  await service.call('POST', LOCKS, { key: alice, body })
  await service.call('POST', LOCKS, { key: alice, body })
  await service.call('POST', LOCKS, { key: bob, body: { resources: body.resources } })
  await service.call('GET', '/nope/1')
  await service.call('GET', '/nope/2')
  const { text } = await service.call('GET', '/metrics', { key: service.keys.admin })
  const count = (method: string, route: string, status: number) =>
    `leasehold_http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`
  const locks = '/v1/namespaces/{namespace}/locks'
  for (const line of [
    `${count('POST', locks, 201)} 1`,
    `${count('POST', locks, 200)} 1`,
    `${count('POST', locks, 409)} 1`,
    `${count('GET', 'none', 404)} 2`,
    'leasehold_acquires_total{outcome="granted"} 1',
    'leasehold_acquires_total{outcome="existing"} 1',
    'leasehold_acquires_total{outcome="conflict"} 1',
  ]) {
    t.ok(text.includes(`${line}\n`), line)
  }
})

t.test('a number that takes too long is left out, and the others are there', async t => {
  const metrics = new Metrics(1)
  metrics.gauge('locks_held', 'Locks', () => new Promise(() => {}))
  metrics.gauge('connections', 'Connections', () => 7)
  const text = await metrics.registry.metrics()
  t.notMatch(text, /^locks_held \d/m)
  t.match(text, /^connections 7$/m)
})

t.test('a number that cannot be had is left out, and the others are there', async t => {
  const metrics = new Metrics()
  let isBroken = false
  metrics.gauge('locks_held', 'Locks', async () => {
    if (isBroken) throw new Error('no database')
    return 3
  })
  metrics.gauge('connections', 'Connections', () => 7)
  metrics.counter('sweeps_total', 'Sweeps').inc(2)
  metrics.histogram('sweep_seconds', 'Sweeps', [1]).observe(0.5)
  t.match(await metrics.registry.metrics(), /^locks_held 3$/m)
  isBroken = true
  const text = await metrics.registry.metrics()
  t.notMatch(text, /^locks_held \d/m)
  t.match(text, /^connections 7$/m)
  t.match(text, /^sweeps_total 2$/m)
  t.match(text, /^sweep_seconds_count 1$/m)
})
