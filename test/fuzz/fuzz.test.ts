import t from 'tap'
import { Cleanup } from '../../bench/cleanup.ts'
import { fuzz } from '../../fuzz/fuzz.ts'
import { reportOf } from '../../fuzz/report.ts'
import { scratchDatabase } from '../support/scratch-database.ts'

t.test('20,000 made-up requests find nothing', async t => {
  const cleanup = new Cleanup()
  t.teardown(async () => {
    await cleanup.run()
  })
  const outcome = await fuzz(
    {
      requests: 20_000,
      seed: 20_260_106,
      connections: 32,
      firstBatch: 0,
      signal: new AbortController().signal,
      progress: () => {},
      databaseUrl: (await scratchDatabase(t)).url,
      folder: undefined,
    },
    cleanup,
  )
  const { campaign, seconds, troubles } = outcome
  const report = reportOf(campaign, seconds, troubles)
  t.equal(campaign.findings.count + troubles.length, 0, report)
  t.ok(campaign.requests >= 20_000)
  t.ok(campaign.batches.refused > 5, 'rows were compared')
  t.comment(report)
})
