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
 * `statements` runs every order of the statements, `all` those of each two whole calls too, and as many orders of three
 * calls as this; the rest is picked at random. Either takes hours on a busy machine.
 */
const WANTED = process.env.TEST_ORDERS ?? 'some'
const EVERY = { statements: WANTED !== 'some', pairs: WANTED === 'all' }
const PICKED = { statements: 400, pairs: 150, calls: WANTED === 'all' ? 10_000 : 150 }
if (!['some', 'statements', 'all'].includes(WANTED)) {
  throw new Error(`TEST_ORDERS has to be some, statements or all, not ${WANTED}`)
}

/** `2/8` runs the second of eight parts of what `TEST_ORDERS` wants, for several runs beside or after each other. */
const [PART = 1, PARTS = 1] = (process.env.TEST_ORDERS_PART ?? '1/1').split('/').map(Number)
if (!(PART >= 1 && PART <= PARTS)) throw new Error('TEST_ORDERS_PART has to be like 2/8')

const random = randomFrom(SEED)
if (EVERY.statements) t.setTimeout(24 * 3600 * 1000)

/** Each time another case, in no order. */
function pick(cases: readonly Case[], count: number): readonly Case[] {
  return Array.from({ length: count }, () => cases[Math.floor(random() * cases.length)] as Case)
}

function ofThisPart(cases: readonly Case[]): readonly Case[] {
  return cases.filter((_, index) => index % PARTS === PART - 1)
}

async function surveyServer(t: Test, serverUrl: string): Promise<void> {
  const statements = statementCases()
  const pairs = callCases()
  const calls = pick(manyCallCases(), Math.ceil(PICKED.calls / PARTS))
  const surveys = {
    'statements of three': EVERY.statements
      ? await survey(t, ofThisPart(statements), { serverUrl })
      : await survey(t, pick(statements, PICKED.statements), { serverUrl, random }),
    'calls of two': EVERY.pairs
      ? await survey(t, ofThisPart(pairs), { serverUrl })
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

t.comment(`seed ${SEED}, ${WANTED} of the orders, part ${PART} of ${PARTS}`)

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

interface Fault {
  readonly start: Start
  readonly faulty: Operation
  readonly others?: readonly Operation[]
  /** SQL that takes a guard out. */
  readonly change?: string
}

/** Every order of a faulty operation with each one of the others. */
async function surveyFault(t: Test, { start, faulty, others = CORE, change }: Fault): Promise<Survey> {
  const cases = others.map(operation => ({ start, operations: [faulty, operation], wholeCalls: false }))
  const result = await survey(t, cases, {
    serverUrl: testServer(),
    ...(change === undefined ? {} : { change }),
  })
  t.comment(`${faulty.name}: ${inWords(result)}`)
  return result
}

t.test('a sweeper that ends by id what it chose before is caught', async t => {
  const { told, violations } = await surveyFault(t, {
    start: 'touched',
    faulty: SWEEP_WITHOUT_SECOND_LOOK,
    others: WANTED === 'some' ? CORE.slice(0, 3) : CORE,
  })
  t.ok(violations > 0)
  t.match(told.join('\n'), /ended session/, 'it ends a session that was touched in time')
})

t.test('an end that deletes the locks which it sees is caught', async t => {
  const { told, violations } = await surveyFault(t, {
    start: 'live',
    faulty: END_OF_WHAT_IT_SEES,
    change: WITHOUT_TRIGGER,
  })
  t.ok(violations > 0)
  t.match(told.join('\n'), /is under an ended session/)
})

t.test('a release by the name of the resource is caught', async t => {
  const { told, violations } = await surveyFault(t, { start: 'live', faulty: RELEASE_OF_WHATEVER })
  t.ok(violations > 0)
  t.match(told.join('\n'), /released another lock/, "it ends somebody else's")
})
