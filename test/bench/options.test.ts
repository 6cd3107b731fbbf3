import t from 'tap'
import { readOptions, UsageError } from '../../bench/options.ts'
import { parseLogLine } from '../../bench/targets/pgbench-load.ts'

t.test('without options everything is measured in five rounds', async t => {
  t.match(readOptions([]), { rounds: 5, seconds: 5, warmupSeconds: 2, connections: [1, 16, 64, 128, 256] })
  t.equal(readOptions([]).targets.length, 8)
  t.equal(readOptions([]).growth, undefined)
})

t.test('targets can be chosen, the one with a comma by a shorter name too', async t => {
  const off = 'leasehold, group commit off'
  t.same(readOptions(['--targets', 'etcd,off']).targets, [off, 'etcd'])
  t.same(readOptions(['--targets', `${off},leasehold`]).targets, ['leasehold', off])
  const leases = 'etcd, a lease for each lock'
  t.same(readOptions(['--targets', 'leases, etcd']).targets, ['etcd', leases])
  t.same(readOptions(['--targets', `etcd,${leases}`]).targets, ['etcd', leases])
  t.same(readOptions(['--targets', 'koa, bare rows,koa']).targets, ['koa', 'koa, bare rows'])
  t.same(readOptions(['--targets', 'rows']).targets, ['koa, bare rows'])
})

t.test('settings of the service are given as they stand in its environment', async t => {
  t.same(readOptions(['--set', 'BATCH_SIZE=8', '--set', 'A=b=c']).serviceSettings, {
    BATCH_SIZE: '8',
    A: 'b=c',
  })
})

t.test('sizes are measured from the smallest on', async t => {
  t.same(readOptions(['--growth', '--sizes', '1000,0']).growth?.sizes, [0, 1000])
})

t.test('what cannot be is refused', async t => {
  for (const args of [
    ['--rounds', '0'],
    ['--connections', '1,x'],
    ['--connections', '1.5'],
    ['--targets', 'consul'],
    ['--set', 'nothing'],
    ['--unknown'],
  ]) {
    t.throws(() => readOptions(args), UsageError, args.join(' '))
  }
})

t.test('a line of the log of pgbench tells when a transaction ended and how long it took', async t => {
  t.same(parseLogLine('3 199 2241 0 1175850568 995598'), {
    endedMs: 1_175_850_568_995.598,
    durationMs: 2.241,
  })
  t.throws(() => parseLogLine('pgbench: error'), /pgbench: error/)
})
