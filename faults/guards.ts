import type { CampaignResult } from './campaign.ts'
import { KINDS, type Kind } from './history/operation.ts'

/** A second, however slow the machine is: fewer would mean that little was tried. */
const LEAST_OPERATIONS = 50
const LEAST_KINDS_OF_FAULTS = 12
/** Of the faults that were made. */
const LEAST_OBSERVED_SHARE = 0.6
const LEAST_UNKNOWN_SHARE = 0.001
/** Pairs that a rule has compared, a minute. */
const LEAST_COMPARED = 10
/** Shorter runs meet too little. */
const FULL_RUN_SECONDS = 150
/** In shorter ones chance may leave out what is rare. */
const LONG_RUN_SECONDS = 600
const ANSWERS = [
  'ok',
  'refused lock_conflict',
  'refused lock_not_found',
  'refused session_expired',
  'unchanged database_unavailable',
]
const RARE_ANSWERS = [
  'refused forbidden',
  'refused session_not_found',
  'unknown no_answer',
  'unknown database_unavailable',
]
const RARE_KINDS: readonly Kind[] = ['delete_by_hand', 'end_by_hand']

/**
 * Why a run proves little, whatever its checks found: a service that answers nothing breaks no promise. Only a full
 * run, with all faults, is asked for all of it.
 */
export function guardsOf(result: CampaignResult): readonly string[] {
  const { tally, nemesis, checks, seconds, lists } = result
  const problems: string[] = []
  const expect = (isSo: boolean, problem: string) => {
    if (!isSo) problems.push(`too little happened: ${problem}`)
  }
  expect(
    tally.definite >= LEAST_OPERATIONS * seconds,
    `${tally.definite} operations in ${Math.round(seconds)} s`,
  )
  expect(checks.length === result.rounds, `${checks.length} of ${result.rounds} rounds were judged`)
  const undecided = checks.reduce((sum, { exactUndecided }) => sum + exactUndecided, 0)
  expect(undecided === 0, `${undecided} histories could not be decided`)
  if (!result.isFull || seconds < FULL_RUN_SECONDS) return problems

  const made = [...nemesis.counts.values()].reduce((sum, count) => sum + count.made, 0)
  const kinds = [...nemesis.counts.values()].filter(({ observed }) => observed > 0).length
  expect(kinds >= LEAST_KINDS_OF_FAULTS, `${kinds} kinds of faults were observed`)
  expect(
    nemesis.observed >= LEAST_OBSERVED_SHARE * made,
    `of ${made} faults ${nemesis.observed} were observed`,
  )
  expect(result.failovers > 0, 'there was no failover')
  expect(tally.unknown >= LEAST_UNKNOWN_SHARE * tally.operations, `${tally.unknown} unknown outcomes`)
  const isLong = seconds >= LONG_RUN_SECONDS
  for (const answer of isLong ? [...ANSWERS, ...RARE_ANSWERS] : ANSWERS) {
    expect(tally.byCode.has(answer), `nobody was answered "${answer}"`)
  }
  for (const kind of KINDS) {
    if (isLong || !RARE_KINDS.includes(kind)) expect(tally.byKind[kind] > 0, `there was no ${kind}`)
  }
  expect(
    !isLong || lists.unfencedLost > 0,
    'lists without a fence lost no update: nobody was paused at the wrong moment',
  )
  for (const rule of new Set(checks.flatMap(({ candidates }) => Object.keys(candidates)))) {
    const compared = checks.reduce((sum, { candidates }) => sum + (candidates[rule] ?? 0), 0)
    expect(compared >= (LEAST_COMPARED * seconds) / 60, `the rule "${rule}" compared ${compared} pairs`)
  }
  return problems
}
