import t from 'tap'
import { Metrics } from '../../src/http/metrics.ts'
import { countsOf, type MetricsSnapshot, snapshotOf, textOfAll } from '../../src/http/metrics-sum.ts'

/** As another process gets it. */
async function sent(metrics: Metrics): Promise<MetricsSnapshot> {
  return JSON.parse(JSON.stringify(await snapshotOf(metrics)))
}

t.test('Counters, histograms and gauges of processes are summed', async t => {
  const processes = [new Metrics(), new Metrics()]
  for (const metrics of processes) {
    metrics.countAcquire('granted')
    metrics.countRequest('GET', '/v1/keys', 200, 0.003)
    metrics.gauge('connections', 'Connections', () => 4)
  }
  processes[1]?.countAcquire('conflict')
  const text = await textOfAll(await Promise.all(processes.map(sent)))
  const series = 'method="GET",route="/v1/keys",status="200"'
  for (const line of [
    'leasehold_acquires_total{outcome="granted"} 2',
    'leasehold_acquires_total{outcome="conflict"} 1',
    `leasehold_http_request_duration_seconds_bucket{le="0.0025",${series}} 0`,
    `leasehold_http_request_duration_seconds_bucket{le="0.005",${series}} 2`,
    `leasehold_http_request_duration_seconds_bucket{le="+Inf",${series}} 2`,
    `leasehold_http_request_duration_seconds_count{${series}} 2`,
    '# TYPE leasehold_http_request_duration_seconds histogram',
    'connections 8',
  ]) {
    t.ok(text.includes(`${line}\n`), line)
  }
})

t.test('Of the delays of event loops the longest is told, and of starts the first', async t => {
  const snapshots = await Promise.all([new Metrics(), new Metrics()].map(sent))
  const faked = snapshots.map((metrics, index) =>
    metrics
      .filter(({ name }) => /^nodejs_eventloop_lag|^process_start/.test(name))
      .map(metric => ({ ...metric, values: [{ labels: {}, value: index + 1 }] })),
  )
  const text = await textOfAll(faked)
  t.match(text, /^nodejs_eventloop_lag_seconds 2$/m)
  t.match(text, /^nodejs_eventloop_lag_mean_seconds 2$/m)
  t.match(text, /^nodejs_eventloop_lag_p99_seconds 2$/m)
  t.match(text, /^nodejs_eventloop_lag_max_seconds 2$/m)
  t.match(text, /^nodejs_eventloop_lag_min_seconds 1$/m)
  t.match(text, /^process_start_time_seconds 1$/m)
})

t.test('A number that is none is left out: it would spoil those of the others', async t => {
  const metrics = new Metrics()
  let value = Number.NaN
  metrics.gauge('lag', 'Lag', () => value)
  const without = await sent(metrics)
  value = 3
  const text = await textOfAll([without, await sent(metrics)])
  t.match(text, /^lag 3$/m)
})

t.test('Of a process that has ended what it counted stays, and what it had is gone', async t => {
  const metrics = new Metrics()
  metrics.countAcquire('granted')
  metrics.countRequest('GET', '/v1/keys', 200, 0.003)
  metrics.gauge('connections', 'Connections', () => 4)
  const once = await countsOf([await sent(metrics)])
  const twice = await countsOf([once, await sent(metrics)])
  const text = await textOfAll([twice, await sent(new Metrics())])
  t.match(text, /^leasehold_acquires_total\{outcome="granted"\} 2$/m)
  t.match(text, /^leasehold_http_request_duration_seconds_count\{.*\} 2$/m)
  t.notMatch(text, /^connections/m)
})
