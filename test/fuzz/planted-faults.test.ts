import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { Cleanup } from '../../bench/cleanup.ts'
import { fuzz, type Outcome } from '../../fuzz/fuzz.ts'
import { scratchDatabase } from '../support/scratch-database.ts'

/** Faults of a service, planted into it, and what the fuzzer has to say of each. */

const PLANT = pathToFileURL(fileURLToPath(new URL('./planted-fault.js', import.meta.url))).href

const FOUND: Readonly<Record<string, RegExp>> = {
  'a native status that is not documented': /^listSessions: 203 is not documented$/m,
  'a status that another API does not have': /^GET \/session: 203 is not in the table of routes$/m,
  'a 500': /^endSession: 500$/m,
  'a refused request that writes': /^requests that are refused changed users$/m,
  'a refused request that takes from somebody': /^a (open|refused) request changed what is the victim's$/m,
  'a history that is wrong': /^audit: .*a lock that the history does not know/m,
  'connections that stay': /connections were open when all clients had closed theirs$/m,
  'memory that stays': /^heapMb grew from/m,
  'a process that ends': /^the service ended: exit code 3$/m,
}

function findingsOf({ campaign, troubles }: Outcome): string {
  return [...campaign.findings.all.map(([what]) => what), ...troubles].join('\n')
}

for (const [fault, words] of Object.entries(FOUND)) {
  t.test(`finds ${fault}`, async t => {
    const cleanup = new Cleanup()
    t.teardown(async () => {
      await cleanup.run()
    })
    const outcome = await fuzz(
      {
        requests: 1600,
        seed: 1,
        connections: 16,
        firstBatch: 0,
        signal: new AbortController().signal,
        progress: () => {},
        databaseUrl: (await scratchDatabase(t)).url,
        folder: undefined,
        nodeArgs: ['--import', PLANT],
        environment: { PLANTED_FAULT: fault },
      },
      cleanup,
    )
    t.match(findingsOf(outcome), words)
  })
}
