import { CORE, OPERATIONS, type Operation } from './operations.ts'
import { STARTS, type Start } from './world.ts'

/** Operations that meet, and where. */
export interface Case {
  readonly start: Start
  readonly operations: readonly Operation[]
  /** Whole calls, with all that they send; else each ends with its first step. */
  readonly wholeCalls: boolean
}

const ALL_STARTS = Object.keys(STARTS) as Start[]

/** Where a touch is under way already, one operation less is let loose. */
const size = (start: Start, actors: number) => (start === 'touched' ? actors - 1 : actors)

/**
 * The statements: three of the commonest in every start, and each two of all there are. With the touch that is under
 * way in one of the starts, no more than three are ever at work.
 */
export function statementCases(): readonly Case[] {
  return ALL_STARTS.flatMap(start => [
    ...sets(CORE, size(start, 3)).map(operations => ({ start, operations, wholeCalls: false })),
    ...sets(OPERATIONS, 2)
      .filter(operations => start !== 'touched' || operations.some(operation => !CORE.includes(operation)))
      .map(operations => ({ start, operations, wholeCalls: false })),
  ])
}

/** Whole calls: a refusal is followed by what the acquirer does then. */
export function callCases(): readonly Case[] {
  return ALL_STARTS.flatMap(start =>
    sets(CORE, 2).map(operations => ({ start, operations, wholeCalls: true })),
  )
}

/** Three whole calls: far more orders than can be run, so single ones are picked. */
export function manyCallCases(): readonly Case[] {
  return ALL_STARTS.filter(start => size(start, 3) === 3).flatMap(start =>
    sets(CORE, 3).map(operations => ({ start, operations, wholeCalls: true })),
  )
}

/** All sets of that many, in which one may be several times: who does it makes no difference. */
function sets<T>(from: readonly T[], count: number): readonly (readonly T[])[] {
  if (count === 0) return [[]]
  return from.flatMap((one, index) => sets(from.slice(index), count - 1).map(rest => [one, ...rest]))
}
