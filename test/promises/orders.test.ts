import t, { type Test } from 'tap'
import { Cluster, installedBinaries } from '../support/cluster.ts'
import { testServer } from '../support/database.ts'
import { ask } from '../support/embedded.ts'
import { type Case, callCases, manyCallCases, statementCases } from '../support/orders/cases.ts'
import {
  END_OF_WHAT_IT_SEES,
  RELEASE_OF_WHATEVER,
  SWEEP_WITHOUT_SECOND_LOOK,
  WITHOUT_TRIGGER,
} from '../support/orders/faulty-operations.ts'
import { CORE, type Operation } from '../support/orders/operations.ts'
import { type Survey, survey } from '../support/orders/survey.ts'
import type { Start } from '../support/orders/world.ts'
import { randomFrom, SEED } from '../support/random.ts'
import { prepareTemplate } from '../support/template.ts'

/**
 * `all` runs every order of the statements and of each two calls, which takes hours, and as many orders of three
 * calls as this; else that many are picked of each.
 */
const ALL = process.env.TEST_ORDERS === 'all'
const PICKED = { statements: 1000, pairs: 300, calls: ALL ? 10_000 : 300 }

const random = randomFrom(SEED)
if (ALL) t.setTimeout(24 * 3600 * 1000)

/** Each time another case, in no order. */
function pick(cases: readonly Case[], count: number): readonly Case[] {
  return Array.from({ length: count }, () => cases[Math.floor(random() * cases.length)] as Case)
}

async function surveyServer(t: Test, serverUrl: string): Promise<void> {
  const statements = statementCases()
  const pairs = callCases()
  const calls = pick(manyCallCases(), PICKED.calls)
  const surveys = {
    'statements of three': ALL
      ? await survey(t, statements, { serverUrl })
      : await survey(t, pick(statements, PICKED.statements), { serverUrl, random }),
    'calls of two': ALL
      ? await survey(t, pairs, { serverUrl })
      : await survey(t, pick(pairs, PICKED.pairs), { serverUrl, random }),
    'calls of three': await survey(t, calls, { serverUrl, random }),
  }
  for (const [what, result] of Object.entries(surveys)) {
    t.comment(`${what}: ${inWords(result)}`)
    for (const violation of result.told) t.fail(violation)
    t.equal(result.violations, 0, `${what}: no violation in ${result.orders} orders`)
    t.ok(result.waits > result.orders / 50, 'some had to wait for others')
  }
}

function inWords({ cases, orders, commits, waits, undone, violations }: Survey): string {
  return `${orders} orders of ${cases} cases, ${commits} commits, ${waits} waits, ${undone} undone, ${violations} violations`
}

t.comment(`seed ${SEED}, ${ALL ? 'all orders' : 'orders picked at random'}`)

t.test('whatever three do at once, in whatever order, every promise holds', async t => {
  await surveyServer(t, testServer())
})

const others = await otherBinaries()
for (const [version, binaries] of others) {
  t.test(`and so it is on PostgreSQL ${version}`, async t => {
    const cluster = await Cluster.create(t, binaries)
    await prepareTemplate(cluster.url)
    await surveyServer(t, cluster.url)
  })
}
if (others.length === 0) {
  const skip = 'there is none in /usr/lib/postgresql'
  t.test('and so it is on another version of PostgreSQL', { skip }, async () => {})
}

/** Of the versions that are installed and are not the one of the test server. */
async function otherBinaries() {
  const [server] = await ask<{ major: number }>(
    testServer(),
    `select current_setting('server_version_num')::int / 10000 as major`,
  )
  return [...(await installedBinaries())].filter(([version]) => version !== server?.major)
}

/** Every order of a faulty operation with each one of the others. */
async function surveyFault(t: Test, start: Start, faulty: Operation, change?: string): Promise<Survey> {
  const cases = CORE.map(operation => ({ start, operations: [faulty, operation], wholeCalls: false }))
  const result = await survey(t, cases, {
    serverUrl: testServer(),
    ...(change === undefined ? {} : { change }),
  })
  t.comment(`${faulty.name}: ${inWords(result)}`)
  return result
}

t.test('a sweeper that ends by id what it chose before is caught', async t => {
  const { told, violations } = await surveyFault(t, 'touched', SWEEP_WITHOUT_SECOND_LOOK)
  t.ok(violations > 0)
  t.match(told.join('\n'), /ended session/, 'it ends a session that was touched in time')
})

t.test('an end that deletes the locks which it sees is caught', async t => {
  const { told, violations } = await surveyFault(t, 'live', END_OF_WHAT_IT_SEES, WITHOUT_TRIGGER)
  t.ok(violations > 0)
  t.match(told.join('\n'), /is under an ended session/)
})

t.test('a release by the name of the resource is caught', async t => {
  const { told, violations } = await surveyFault(t, 'live', RELEASE_OF_WHATEVER)
  t.ok(violations > 0)
  t.match(told.join('\n'), /released another lock/, "it ends somebody else's")
})
