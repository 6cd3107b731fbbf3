import type { KeyEvent, KeyHistory } from './key-events.ts'
import { MARGIN_US, NEVER } from './ledger.ts'

/** Who holds the resource, as the search supposes it. */
interface Holder {
  /** Null: of a grant that nobody saw. */
  readonly lock: string | null
  readonly session: string | null
  /** Its lease has not run out before. */
  readonly safeUs: number
}

interface State {
  readonly holder: Holder | undefined
  /** The greatest token granted so far. */
  readonly token: number
  /** Everything from here on happens then or later. */
  readonly notBeforeUs: number
}

export interface SearchResult {
  readonly kind: 'linearizable' | 'violated' | 'undecided'
  /** How many certain events of the history were explained at most, and the event that could not be. */
  readonly explained: number
  readonly stuckAt: KeyEvent | undefined
  readonly takenBack: number
  readonly steps: number
}

interface Move {
  readonly state: State
  /** Index of a certain event, or -1. */
  readonly certain: number
  /** Indexes of possible events that it used up. */
  readonly possible: readonly number[]
}

/** Where the search stands: which events are behind it, and what holds then. */
interface Frame {
  readonly state: State
  /** All certain events before this one are behind. */
  readonly base: number
  /** And these after it. */
  readonly done: ReadonlySet<number>
  readonly used: readonly number[]
  readonly moves: Move[]
}

/** An event, for the search with looks that may have been taken back. */
const STEPS_WITH_TAKEN_BACK = 10

const FREE: State = { holder: undefined, token: 0, notBeforeUs: 0 }

/**
 * Searches an order of a resource's events in which each is possible where it stands, and none comes before one that
 * had been answered when it was sent (Wing and Gong; Lowe's memory of what led nowhere).
 *
 * The end of a lease is an event that nobody reports: it is supposed where an answer needs it, and only if that answer
 * came after the lease's end; what comes later in the order must then have been answered after that too.
 * Events of unknown outcome are supposed only where an answer needs them. Looks that a failover may have taken back are
 * left out where no order has all of them.
 */
export function searchOrder(history: KeyHistory, maxSteps: number): SearchResult {
  const kept = history.certain.filter(event => !(event.mayBeTakenBack && isLook(event)))
  const takenBack = history.certain.length - kept.length
  if (takenBack === 0) return search(history, maxSteps)
  const whole = search(history, Math.min(maxSteps, STEPS_WITH_TAKEN_BACK * history.certain.length))
  if (whole.kind === 'linearizable') return whole
  return { ...search({ ...history, certain: kept }, maxSteps), takenBack }
}

function search({ certain, possible }: KeyHistory, maxSteps: number): SearchResult {
  const dead = new Set<string>()
  let best = { explained: -1, at: undefined as KeyEvent | undefined }
  let steps = 0
  const frames: Frame[] = []
  const enter = (frame: Omit<Frame, 'moves'>): boolean => {
    const { state, done, used } = frame
    let { base } = frame
    let left = done
    // answers that change nothing and fit as things stand are put here at once: later is never better
    for (;;) {
      const next = fitting(certain, base, left, state)
      if (next === undefined) break
      ;({ base, done: left } = passed(base, left, next))
    }
    if (base + left.size > best.explained) best = { explained: base + left.size, at: certain[base] }
    if (base === certain.length) return true
    const key = keyOf(base, left, used, state)
    if (dead.has(key)) return false
    dead.add(key)
    const moves = movesFrom(certain, possible, { base, done: left, used, state }).reverse()
    frames.push({ state, base, done: left, used, moves })
    return false
  }
  let isFound = enter({ state: FREE, base: 0, done: new Set(), used: [] })
  while (!isFound) {
    const frame = frames.at(-1)
    if (frame === undefined) {
      return { kind: 'violated', explained: best.explained, stuckAt: best.at, takenBack: 0, steps }
    }
    const move = frame.moves.pop()
    if (move === undefined) {
      frames.pop()
      continue
    }
    steps += 1
    if (steps > maxSteps) {
      return { kind: 'undecided', explained: best.explained, stuckAt: best.at, takenBack: 0, steps }
    }
    const { base, done } =
      move.certain < 0 ? { base: frame.base, done: frame.done } : passed(frame.base, frame.done, move.certain)
    const used =
      move.possible.length === 0 ? frame.used : [...frame.used, ...move.possible].sort((a, b) => a - b)
    isFound = enter({ state: move.state, base, done, used })
  }
  return { kind: 'linearizable', explained: certain.length, stuckAt: undefined, takenBack: 0, steps }
}

function passed(
  base: number,
  done: ReadonlySet<number>,
  index: number,
): { base: number; done: ReadonlySet<number> } {
  const after = new Set(done)
  after.add(index)
  let next = base
  while (after.delete(next)) next += 1
  return { base: next, done: after }
}

function keyOf(
  base: number,
  done: ReadonlySet<number>,
  used: readonly number[],
  { holder, token, notBeforeUs }: State,
) {
  const held = holder === undefined ? '-' : `${holder.lock}/${holder.safeUs}`
  return `${base}|${[...done].sort((a, b) => a - b).join()}|${used.join()}|${held}|${token}|${notBeforeUs}`
}

/** What may come next: not what was sent after something that is still to come had been answered. */
function* candidates(
  certain: readonly KeyEvent[],
  base: number,
  done: ReadonlySet<number>,
): Iterable<readonly [number, KeyEvent]> {
  let horizonUs = NEVER
  for (let index = base; index < certain.length; index += 1) {
    const event = certain[index]
    if (event === undefined || event.sentUs > horizonUs) break
    if (!done.has(index)) horizonUs = Math.min(horizonUs, event.answeredUs)
  }
  for (let index = base; index < certain.length; index += 1) {
    const event = certain[index]
    if (event === undefined || event.sentUs > horizonUs) break
    if (!done.has(index)) yield [index, event]
  }
}

function fitting(
  certain: readonly KeyEvent[],
  base: number,
  done: ReadonlySet<number>,
  { holder, notBeforeUs }: State,
): number | undefined {
  for (const [index, { effect, answeredUs }] of candidates(certain, base, done)) {
    if (answeredUs < notBeforeUs) continue
    if (effect.kind === 'held' && holder?.lock === effect.lock) return index
    if (effect.kind === 'free' && holder === undefined) return index
    if (effect.kind === 'not held' && holder?.lock !== effect.lock) return index
    if (effect.kind === 'session gone' && holder?.session !== effect.session) return index
  }
  return undefined
}

function movesFrom(
  certain: readonly KeyEvent[],
  possible: readonly KeyEvent[],
  { base, done, used, state }: Pick<Frame, 'base' | 'done' | 'used' | 'state'>,
): Move[] {
  const moves: Move[] = []
  // what was answered first probably happened first
  const next = [...candidates(certain, base, done)].sort(([, a], [, b]) => a.answeredUs - b.answeredUs)
  const horizonUs = next[0]?.[1].answeredUs ?? NEVER
  for (const [index, event] of next) {
    if (event.answeredUs < state.notBeforeUs) continue
    for (const next of after(state, event)) {
      moves.push({ state: next, certain: index, possible: [] })
    }
  }
  possible.forEach((event, index) => {
    if (used.includes(index) || event.sentUs > horizonUs) return
    for (const next of after(state, event)) {
      const notBeforeUs = Math.max(next.notBeforeUs, event.sentUs)
      moves.push({ state: { ...next, notBeforeUs }, certain: -1, possible: [index] })
    }
  })
  return moves
}

function isLook({ effect }: KeyEvent): boolean {
  return ['held', 'free', 'not held', 'session gone'].includes(effect.kind)
}

/** The states that an event can lead to; none: it is not possible here. */
function after(state: State, event: KeyEvent): readonly State[] {
  const { effect, sentUs, answeredUs, ttlUs } = event
  const { holder } = state
  const safeUs = sentUs + ttlUs - MARGIN_US
  switch (effect.kind) {
    case 'grant': {
      if (effect.token <= state.token) return []
      const granted = { lock: effect.lock, session: effect.session, safeUs }
      return emptied(state, answeredUs, effect.takesOver).map(free => ({
        ...free,
        holder: granted,
        token: effect.token,
      }))
    }
    case 'grant unseen':
      return [{ ...state, holder: { lock: null, session: null, safeUs } }]
    case 'prolong':
      if (holder?.lock !== effect.lock) return []
      return [{ ...state, holder: { ...holder, safeUs: Math.max(holder.safeUs, safeUs) } }]
    case 'prolong session':
      if (holder === undefined || holder.session !== effect.session) return [state]
      return [{ ...state, holder: { ...holder, safeUs: Math.max(holder.safeUs, safeUs) } }]
    case 'end':
      return holder?.lock === effect.lock ? [{ ...state, holder: undefined }] : []
    case 'end if held':
      return [holder?.lock === effect.lock ? { ...state, holder: undefined } : state]
    case 'end of session':
      return [holder?.session === effect.session ? { ...state, holder: undefined } : state]
    case 'held':
      return holder?.lock === effect.lock ? [state] : []
    case 'free':
      return emptied(state, answeredUs, false).map(free => ({ ...free, holder }))
    case 'not held':
      if (holder?.lock !== effect.lock) return [state]
      return emptied(state, answeredUs, false).map(free => ({ ...free, holder }))
    case 'session gone':
      if (holder?.session !== effect.session) return [state]
      return emptied(state, answeredUs, false).map(free => ({ ...free, holder }))
  }
}

/**
 * The resource without its holder: there is none, or it is taken over, or its lease can have run out by then. A look
 * that needs it leaves the holder: a touch whose commit waits can make the lease look as if it had run out.
 */
function emptied(state: State, answeredUs: number, takesOver: boolean): readonly State[] {
  const { holder } = state
  if (holder === undefined || takesOver) return [{ ...state, holder: undefined }]
  if (answeredUs < holder.safeUs) return []
  return [{ ...state, holder: undefined, notBeforeUs: Math.max(state.notBeforeUs, holder.safeUs) }]
}
