import t from 'tap'
import type { Measurement } from '../../bench/measure.ts'
import { plan } from '../../bench/plan.ts'
import { median, summarize } from '../../bench/summary.ts'
import { resultTable } from '../../bench/table.ts'
import type { TargetName } from '../../bench/targets/target.ts'

function measurement(target: TargetName, round: number, perSecond: number, more = {}): Measurement {
  const pair = {
    count: perSecond,
    perSecond,
    meanMs: 1,
    p50Ms: 1024 / perSecond,
    p99Ms: 2048 / perSecond,
    maxMs: 9,
  }
  return {
    target,
    round,
    workload: 'distinct',
    connections: 64,
    seconds: 1,
    kinds: { pair },
    cpu: {},
    ...more,
  }
}

t.test('ratios are of the same round, and everything is a median of the rounds', async t => {
  const rows = summarize([
    measurement('etcd', 1, 128),
    measurement('leasehold', 1, 256),
    measurement('etcd', 2, 16),
    measurement('leasehold', 2, 64),
    measurement('etcd', 3, 1024),
    measurement('leasehold', 3, 8192),
  ])
  t.match(rows, [
    { target: 'leasehold', rounds: 3, perSecond: 256, p50Ms: 4 },
    { target: 'etcd', rounds: 3, perSecond: 128, ratios: { perSecond: 4, p50: 1 / 4, p99: 1 / 4 } },
  ])
  t.notOk(rows[0]?.ratios, 'the service is not compared with itself')
})

t.test('CPU is for a thousand operations, and missing where it is not known', async t => {
  const [row] = summarize([measurement('leasehold', 1, 500, { cpu: { service: 0.25 } })])
  t.same(row?.cpuPerThousand, { service: 0.5 })
  t.match(
    resultTable(row === undefined ? [] : [row]),
    /distinct +leasehold +pair +64 +500 +2\.05 +4\.10 +- +0\.50 +-/,
  )
})

t.test('the median of an even number is between the middle two', async t => {
  t.equal(median([4, 1, 2, 30]), 3)
  t.equal(median([3, 1, 2]), 2)
  t.ok(Number.isNaN(median([])))
})

t.test('targets alternate, another one begins in each round, and none does what it cannot', async t => {
  const targets = [
    { name: 'leasehold', workloads: ['distinct', 'touch'] },
    { name: 'pgbench', workloads: ['distinct'], maxConnections: 64 },
  ] as const
  const steps = plan(targets, ['distinct', 'touch'], [64, 128], 2)
  t.same(
    steps.map(step => `${step.round} ${step.workload} ${step.connections} ${step.target}`),
    [
      '1 distinct 64 leasehold',
      '1 distinct 64 pgbench',
      '1 distinct 128 leasehold',
      '1 touch 64 leasehold',
      '1 touch 128 leasehold',
      '2 distinct 64 pgbench',
      '2 distinct 64 leasehold',
      '2 distinct 128 leasehold',
      '2 touch 64 leasehold',
      '2 touch 128 leasehold',
    ],
  )
})
