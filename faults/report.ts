import type { CampaignResult } from './campaign.ts'

/** Why a run is not a success; empty where it is one. */
export function problemsOf({ badRounds, unwantedEnds, lists }: CampaignResult): readonly string[] {
  const problems: string[] = []
  for (const { round, file, violations } of badRounds) {
    problems.push(`round ${round}: ${violations.length} violations, kept in ${file}`)
    for (const { rule, key, what, operations } of violations.slice(0, 10)) {
      problems.push(`  ${rule}: k${key}: ${what} (${operations.join(', ')})`)
    }
  }
  for (const end of unwantedEnds) problems.push(`a service ended by itself: ${end}`)
  if (lists.fencedLost !== 0) problems.push(`${lists.fencedLost} updates were lost in spite of the fence`)
  return problems
}

export function reportOf(result: CampaignResult): string {
  const { tally, nemesis, clientFaults, lists, checks } = result
  const lines = [
    `seed ${result.seed}, PostgreSQL ${result.postgres}, ${result.rounds} rounds in ${Math.round(result.seconds)} s`,
    `${tally.definite} operations answered for certain (${Math.round(tally.definite / result.seconds)} a second), ${tally.unchanged} not done, ${tally.unknown} unknown; slowest answer ${Math.round(tally.longestMs)} ms`,
    ...[...tally.byCode].sort(([, a], [, b]) => b - a).map(([code, count]) => `  ${code}: ${count}`),
    `faults observed: ${nemesis.observed}`,
    ...[...nemesis.counts].map(
      ([kind, { made, observed, evidence }]) => `  ${kind}: ${observed} of ${made} (${evidence})`,
    ),
    `clients: ${JSON.stringify(clientFaults)}`,
    `lists: without a fence ${lists.unfencedLost} of ${lists.unfencedWrites} updates lost, with it ${lists.fencedLost} of ${lists.fencedWrites}; kept out ${lists.fencedOff}`,
    `checked: ${sum(checks.map(({ exactKeys }) => exactKeys))} resources exactly, ${sum(checks.map(({ exactUndecided }) => exactUndecided))} undecided, taken back ${sum(checks.map(({ takenBack }) => takenBack))}`,
    ...nemesis.troubles.slice(0, 10),
    ...problemsOf(result),
  ]
  return `${lines.join('\n')}\n`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
