import type { CampaignResult } from './campaign.ts'
import { guardsOf } from './guards.ts'
import { markdownTable } from './markdown.ts'

/** Why a run is not a success; empty where it is one. */
export function problemsOf(result: CampaignResult): readonly string[] {
  const { badRounds, audit, unwantedEnds, trouble, lists, tally } = result
  const problems: string[] = []
  for (const { round, file, violations } of badRounds) {
    problems.push(`round ${round}: ${violations.length} violations, kept in ${file}`)
    for (const { rule, key, what, operations } of violations.slice(0, 5)) {
      problems.push(`  ${rule}: k${key}: ${what} (operations ${operations.join(', ')})`)
    }
  }
  if (trouble !== undefined) problems.push(`the run could not go on: ${trouble}`)
  for (const finding of audit) problems.push(`the audit found ${finding}`)
  for (const end of unwantedEnds) problems.push(`a service ended by itself: ${end}`)
  if (lists.fencedLost !== 0) problems.push(`${lists.fencedLost} updates were lost in spite of the fence`)
  if (tally.pastDeadline > 0)
    problems.push(`${tally.pastDeadline} requests were not answered by their deadline`)
  return [...problems, ...guardsOf(result)]
}

/** The whole result, in Markdown. `madeBy`: of what and where, by which command. */
export function reportOf(result: CampaignResult, madeBy: string): string {
  const problems = problemsOf(result)
  return [
    madeBy,
    summaryOf(result),
    faultsOf(result),
    rulesOf(result),
    answersOf(result),
    problems.length === 0
      ? 'No problems.'
      : ['Problems:', ...problems.map(problem => `- ${problem}`)].join('\n'),
    '',
  ].join('\n\n')
}

function summaryOf(result: CampaignResult): string {
  const { tally, nemesis, checks, lists, clientFaults } = result
  const kinds = [...nemesis.counts.values()].filter(({ observed }) => observed > 0).length
  const violations = result.badRounds.reduce((total, round) => total + round.violations.length, 0)
  const unfenced = `${whole(lists.unfencedLost)} of ${whole(lists.unfencedWrites)}`
  const fenced = `${whole(lists.fencedLost)} of ${whole(lists.fencedWrites)}`
  return rows([
    ['seed', String(result.seed)],
    ['PostgreSQL', result.postgres],
    ['time', `${(result.seconds / 60).toFixed(1)} minutes, ${result.rounds} rounds`],
    [
      'operations answered for certain',
      `${whole(tally.definite)}, ${whole(tally.definite / result.seconds)} a second`,
    ],
    ['not done, and said so', whole(tally.unchanged)],
    ['unknown', whole(tally.unknown)],
    ['grants', whole(sum(checks.map(({ grants }) => grants)))],
    ['faults observed', `${whole(nemesis.observed)} of ${kinds} kinds`],
    ['failovers to the synchronous standby', whole(result.failovers)],
    [
      'clients that were paused past their ttl; that died',
      `${whole(clientFaults.pause)}; ${whole(clientFaults.death)}`,
    ],
    [
      'histories searched for an order',
      `${whole(sum(checks.map(({ exactKeys }) => exactKeys)))} resources, ${whole(sum(checks.map(({ exactEvents }) => exactEvents)))} events`,
    ],
    ['of these undecided', whole(sum(checks.map(({ exactUndecided }) => exactUndecided)))],
    ["unknown acquires that the database's log decided", settledText(checks)],
    ['looks at what a failover took back', whole(sum(checks.map(({ takenBack }) => takenBack)))],
    ['lost updates of lists without a fence', unfenced],
    ['lost updates of lists with a fence', fenced],
    ['slowest answer', `${whole(tally.longestMs)} ms`],
    ['requests past their deadline', whole(tally.pastDeadline)],
    ['ends of a service that nobody asked for', whole(result.unwantedEnds.length)],
    ['violations', whole(violations)],
  ])
}

function faultsOf({ nemesis }: CampaignResult): string {
  const counts = [...nemesis.counts].filter(([, { made }]) => made > 0)
  return markdownTable(
    ['fault', 'made', 'observed', 'such as'],
    counts.map(([kind, { made, observed, evidence }]) => [kind, whole(made), whole(observed), evidence]),
  )
}

function rulesOf({ checks, badRounds }: CampaignResult): string {
  const compared = new Map<string, number>()
  for (const { candidates } of checks) {
    for (const [rule, count] of Object.entries(candidates))
      compared.set(rule, (compared.get(rule) ?? 0) + count)
  }
  const broken = new Map<string, number>()
  for (const { violations } of badRounds) {
    for (const { rule } of violations) broken.set(rule, (broken.get(rule) ?? 0) + 1)
  }
  const rules = [...new Set([...compared.keys(), ...broken.keys()])]
  return markdownTable(
    ['rule', 'compared', 'violations'],
    rules.map(rule => [rule, whole(compared.get(rule) ?? 0), whole(broken.get(rule) ?? 0)]),
  )
}

function answersOf({ tally }: CampaignResult): string {
  const counts = [...tally.byCode].sort(([, a], [, b]) => b - a)
  return markdownTable(
    ['answer', 'how often'],
    counts.map(([answer, count]) => [answer, whole(count)]),
  )
}

function settledText(checks: CampaignResult['checks']): string {
  const granted = sum(checks.map(({ settled }) => settled.granted))
  const notGranted = sum(checks.map(({ settled }) => settled.notGranted))
  const holes = checks.flatMap(({ logHole }) => logHole ?? [])
  const why = holes.length === 0 ? '' : ` (${[...new Set(holes)].join('; ')})`
  const known = checks.length - holes.length
  return `${whole(granted)} granted, ${whole(notGranted)} not; whole in ${known} of ${checks.length} rounds${why}`
}

function rows(lines: readonly (readonly [string, string])[]): string {
  return markdownTable(['', ''], lines)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** `1,234` */
function whole(number: number): string {
  return Math.round(number).toLocaleString('en-US')
}
