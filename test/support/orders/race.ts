import { Actor, type Statement } from './actor.ts'
import type { Monitor } from './monitor.ts'
import type { Operation } from './operations.ts'
import { ALICES_SESSION, LATE_TOUCH, type Start, type State, type World } from './world.ts'

/** How long a statement may take before somebody asks whether it waits. */
const PATIENCE_MS = 4

/** Far longer than anything takes: something hangs. */
const DEADLINE_MS = 60_000

/** A statement that has ended: by its commit, or by an error, which undid it. */
export interface Ended extends Statement {
  /** Its own commit is that many-th; of an error, the last one before it. */
  readonly committedAs: number
}

/** All that happened in one order. */
export interface Story {
  readonly start: Start
  readonly operations: readonly Operation[]
  /** What was committed: at the start, and after each commit. */
  readonly states: readonly State[]
  readonly ended: readonly Ended[]
  readonly outcomes: readonly (Actor['outcome'] | undefined)[]
  /** The order in words: who started, waited, committed. */
  readonly order: readonly string[]
}

/** Takes one of so many ways to go on. */
export type Choose = (ways: number) => number

export interface RaceOptions {
  readonly world: World
  readonly monitor: Monitor
  readonly start: Start
  readonly operations: readonly Operation[]
  readonly choose: Choose
  /** Whole calls, with all that they send; else each ends with its first step. */
  readonly wholeCalls: boolean
}

/**
 * Runs one order of what some actors do at once. Each statement is two events: it starts, and it commits; the commit
 * of one comes before or after the start of another. Who waits for a lock is left alone until another has committed.
 */
export async function race(options: RaceOptions): Promise<Story> {
  return await new Race(options).run()
}

class Race {
  readonly #options: RaceOptions
  readonly #actors: Actor[] = []
  readonly #states: State[] = []
  readonly #ended: Ended[] = []
  readonly #order: string[] = []
  readonly #deadline = performance.now() + DEADLINE_MS
  /** Of each commit: whose it was, and whether it changed anything. */
  readonly #commits: { readonly actor: number; readonly isChange: boolean }[] = []
  #changes = 0
  #wake = () => {}

  constructor(options: RaceOptions) {
    this.#options = options
  }

  async run(): Promise<Story> {
    const { world, start, operations, choose } = this.#options
    const lockId = await world.begin(start)
    this.#states.push(await world.look())
    try {
      await this.#enter(lockId)
      for (;;) {
        await this.#settle()
        const ways = this.#ways()
        const actor = ways[ways.length === 1 ? 0 : choose(ways.length)]
        if (actor === undefined) break
        await this.#step(actor)
      }
    } finally {
      await Promise.all(this.#actors.map(actor => actor.abandon()))
    }
    return {
      start,
      operations,
      states: this.#states,
      ended: this.#ended,
      outcomes: this.#actors.map(actor => actor.outcome),
      order: this.#order,
    }
  }

  async #enter(lockId: string): Promise<void> {
    const { world, start, operations, wholeCalls } = this.#options
    const changed = () => {
      this.#changes += 1
      this.#wake()
    }
    const failed = (statement: Statement) => {
      this.#order.push(`${statement.actor} fails`)
      // whatever it claimed is free again
      this.#commits.push({ actor: statement.actor, isChange: false })
      this.#ended.push({ ...statement, committedAs: this.#states.length - 1 })
    }
    operations.forEach((operation, number) => {
      const connection = world.actors[number]
      if (connection === undefined) throw new Error('more actors than connections')
      const statements = wholeCalls ? Number.POSITIVE_INFINITY : operation.statements
      const actor = new Actor(number, connection, statements, changed, failed)
      this.#actors.push(actor)
      actor.act(database => operation.act(database, { user: `user${number}`, lockId }))
    })
    if (start !== 'touched') return
    const connection = world.actors[operations.length]
    if (connection === undefined) throw new Error('more actors than connections')
    const late = new Actor(operations.length, connection, 0, changed, failed)
    this.#actors.push(late)
    await late.openWith(LATE_TOUCH, [ALICES_SESSION])
  }

  /** Until each actor is ready, open or finished, or waits for one that is. */
  async #settle(): Promise<void> {
    for (;;) {
      const before = this.#changes
      const busy = this.#actors.filter(({ phase }) => phase === 'thinking' || phase === 'running')
      if (busy.length === 0) return
      if (performance.now() > this.#deadline) throw new Error(`it hangs: ${this.#order.join('; ')}`)
      await this.#change()
      if (this.#changes !== before || busy.some(({ phase }) => phase === 'thinking')) continue
      const blockers = await this.#options.monitor.blockers(busy.map(({ pid }) => pid))
      if (this.#changes === before && this.#areStuck(busy, blockers)) return
    }
  }

  /** Whether each waits for somebody who will go on only when told to. */
  #areStuck(busy: readonly Actor[], blockers: ReadonlyMap<number, readonly number[]>): boolean {
    const still = new Set(this.#actors.filter(({ phase }) => phase === 'open').map(({ pid }) => pid))
    const left = new Set(busy)
    for (let found = true; found; ) {
      found = false
      for (const actor of left) {
        const waitsFor = blockers.get(actor.pid) ?? []
        if (waitsFor.length === 0 || !waitsFor.some(pid => still.has(pid))) continue
        left.delete(actor)
        still.add(actor.pid)
        found = true
      }
    }
    return left.size === 0
  }

  async #change(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      this.#wake = resolve
      timer = setTimeout(resolve, PATIENCE_MS)
    })
    clearTimeout(timer)
  }

  /** Those who can go on. Of several who do the same, the first starts first: the other order is the same. */
  #ways(): readonly Actor[] {
    const ready = this.#actors.filter(
      (actor, number) => actor.phase === 'ready' && !this.#hasTwin(actor, number),
    )
    const open = this.#actors.filter(({ phase }) => phase === 'open')
    const ways = [...ready.filter(actor => this.#isWorthIt(actor)), ...open]
    return ways.length > 0 ? ways : ready
  }

  #hasTwin(actor: Actor, number: number): boolean {
    const { operations } = this.#options
    const isFirst = (candidate: Actor | undefined) =>
      candidate?.phase === 'ready' && candidate.lastStarted(candidate.next?.key ?? '') === undefined
    return (
      isFirst(actor) &&
      operations.some(
        (operation, other) =>
          other < number && operation === operations[number] && isFirst(this.#actors[other]),
      )
    )
  }

  /** A statement that is sent again says the same again unless something has changed. */
  #isWorthIt(actor: Actor): boolean {
    const last = actor.lastStarted(actor.next?.key ?? '')
    if (last === undefined) return true
    const number = this.#actors.indexOf(actor)
    return this.#commits.slice(last).some(commit => commit.actor !== number || commit.isChange)
  }

  async #step(actor: Actor): Promise<void> {
    const number = this.#actors.indexOf(actor)
    if (actor.phase === 'ready') {
      const isAlone = this.#actors.every(({ phase }) => phase !== 'open' && phase !== 'running')
      this.#order.push(`${number} starts`)
      actor.start(this.#commits.length, this.#states.length - 1, isAlone)
      await this.#settle()
      if (isWaiting(actor)) this.#order.push(`${number} waits`)
      return
    }
    const before = this.#states.at(-1)
    const statement = await actor.commit()
    const state = await this.#options.world.look()
    this.#order.push(`${number} commits`)
    this.#states.push(state)
    this.#commits.push({ actor: number, isChange: before === undefined || !isSame(before, state) })
    this.#ended.push({ ...statement, committedAs: this.#states.length - 1 })
  }
}

const isWaiting = ({ phase }: Actor) => phase === 'running'

function isSame(one: State, other: State): boolean {
  const text = ({ sessions, locks }: State) => JSON.stringify([[...sessions.values()], [...locks.values()]])
  return text(one) === text(other)
}
