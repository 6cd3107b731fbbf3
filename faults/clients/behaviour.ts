import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Operation, SeenLock } from '../history/operation.ts'
import type { LockClient } from './lock-client.ts'
import type { ProtectedLists } from './protected-lists.ts'

/** Longer than any recovery: a grant that is lost is missed. The other leases have run out before recovery. */
const LONG_TTL_MS = 20_000
const LONG_SHARE = 0.4
/** The shortest that the API takes, and a bit. */
const SHORT_TTL_MS = { min: 1000, max: 1500 }
const REPEATS = 3
/** Who was refused tries again as often, as clients do that wait for somebody. */
const TRIES_WHERE_HELD = 6
const HOT_KEYS = 6
const HOT_SHARE = 0.2

/** What clients do wrong on purpose, counted when the effect was seen. */
export interface ClientFaults {
  /** Paused past the ttl; found the lease gone. */
  pause: number
  /** Never heard of again while it held a lock. */
  death: number
  /** A request sent twice. */
  duplicate: number
}

export interface BehaviourOptions {
  readonly keys: number
  readonly random: () => number
  readonly isAdmin: boolean
  /** The share of short leases that are kept for longer than they last. */
  readonly lateTouches: number
  readonly lists: ProtectedLists
  readonly faults: ClientFaults
  readonly isOver: () => boolean
}

interface Hold {
  readonly locks: readonly SeenLock[]
  /** Undefined: the service named the session. */
  readonly session: string | undefined
  readonly ttlMs: number
  /** A session that was started for many holds. */
  readonly isSteady: boolean
}

/** One client: takes locks, keeps them for a while, lets go of them in one way or another, until it is over. */
export class Behaviour {
  readonly #client: LockClient
  readonly #options: BehaviourOptions
  #steady: { id: string; keys: Set<number> } | undefined

  constructor(client: LockClient, options: BehaviourOptions) {
    this.#client = client
    this.#options = options
  }

  async live(): Promise<void> {
    while (!this.#options.isOver()) await this.#turn()
    this.#client.leave()
  }

  async #turn(): Promise<void> {
    if (this.#chance(0.07)) {
      const found = await this.#client.look(this.#key())
      const [lock] = found?.seen ?? []
      if (lock !== undefined) await this.#meddle(lock)
      return
    }
    const hold = await this.#take()
    if (hold === undefined) return
    const reads = hold.locks.map(lock => this.#options.lists.read(lock.key, lock.token))
    const isPaused = await this.#keep(hold)
    hold.locks.forEach((lock, index) => {
      const read = reads[index]
      if (read !== undefined) this.#options.lists.write(lock.key, lock.token, read)
    })
    await this.#letGo(hold, isPaused)
  }

  async #take(): Promise<Hold | undefined> {
    const { random } = this.#options
    const ttlMs = this.#ttl()
    const keys = this.#chance(0.06) ? this.#set() : [this.#key()]
    const style = random()
    if (style < 0.08) return this.#takeSteady(keys)
    const session = style < 0.35 ? randomUUID() : undefined
    return this.#acquire(keys, { session, ttlMs }, ttlMs, false)
  }

  async #takeSteady(keys: readonly number[]): Promise<Hold | undefined> {
    if (this.#steady === undefined) {
      const id = randomUUID()
      const started = await this.#client.startSession(id, LONG_TTL_MS)
      if (started?.outcome !== 'ok') return undefined
      this.#steady = { id, keys: new Set() }
    }
    for (const key of keys) this.#steady.keys.add(key)
    return this.#acquire(keys, { session: this.#steady.id, ttlMs: undefined }, LONG_TTL_MS, true)
  }

  async #acquire(
    keys: readonly number[],
    choice: { session: string | undefined; ttlMs: number | undefined },
    ttlMs: number,
    isSteady: boolean,
  ): Promise<Hold | undefined> {
    let [repeats, refusals] = [0, 0]
    while (repeats <= REPEATS) {
      const answer = await this.#client.acquire(keys, choice)
      if (answer === undefined) return undefined
      if (answer.outcome === 'ok') {
        if (repeats === 0 && choice.session !== undefined && this.#chance(0.05)) {
          this.#options.faults.duplicate += 1
          await this.#client.acquire(keys, choice)
        }
        return { locks: answer.seen, session: choice.session, ttlMs, isSteady }
      }
      if (answer.outcome === 'refused') {
        refusals += 1
        const isWorthIt = answer.code === 'lock_conflict' && refusals < TRIES_WHERE_HELD
        if (isWorthIt && this.#chance(0.8) && !this.#options.isOver()) continue
        await this.#refused(answer, isSteady)
        return undefined
      }
      repeats += 1
      // without a session of our own a repeat would be another acquire
      if (choice.session === undefined) return undefined
    }
    return undefined
  }

  async #refused({ code, seen }: Operation, isSteady: boolean): Promise<void> {
    if (code !== 'lock_conflict') {
      if (isSteady) this.#steady = undefined
      return
    }
    const [lock] = seen
    if (lock !== undefined && this.#chance(0.25)) await this.#meddle(lock)
    else if (this.#chance(0.3)) await pause(this.#options.random() * 10)
  }

  /** With a lock that is probably not ours. */
  async #meddle(lock: SeenLock): Promise<void> {
    const { isAdmin, random } = this.#options
    if (!isAdmin) {
      if (this.#chance(0.3)) await this.#client.look(lock.key)
      else if (this.#chance(0.15)) await this.#client.release(lock.lock, lock.key)
      return
    }
    if (random() < 0.3) {
      await this.#client.forceRelease(lock.lock, lock.key)
      return
    }
    const ttlMs = this.#ttl()
    const taken = await this.#client.acquire([lock.key], { session: undefined, ttlMs }, true)
    if (taken?.outcome === 'ok') {
      await this.#letGo({ locks: taken.seen, session: undefined, ttlMs, isSteady: false }, false)
    }
  }

  /** True where it slept past the ttl, or was told that the lock is gone. */
  async #keep(hold: Hold): Promise<boolean> {
    const { random, faults, lateTouches } = this.#options
    const [lock] = hold.locks
    if (lock === undefined) return true
    if (hold.ttlMs < LONG_TTL_MS && this.#chance(0.02)) {
      await pause(hold.ttlMs * (1.02 + random() * 0.5))
      const answer = await this.#client.touch(lock.lock, lock.key, hold.ttlMs)
      if (answer?.outcome === 'refused') faults.pause += 1
      return answer?.outcome !== 'ok'
    }
    if (hold.ttlMs < LONG_TTL_MS && this.#chance(lateTouches)) return this.#keepForLong(hold, lock)
    while (this.#chance(0.7) && !this.#options.isOver()) {
      const answer = await this.#sign(hold, lock)
      if (answer?.outcome === 'refused') return true
      if (this.#chance(0.03)) await pause(random() * 300)
    }
    return false
  }

  /** As a careful client does who works for longer than its ttl: a touch well before it is over. */
  async #keepForLong({ ttlMs }: Hold, lock: SeenLock): Promise<boolean> {
    for (let touch = 1; touch <= 3 && !this.#options.isOver(); touch += 1) {
      await pause(ttlMs * (0.3 + this.#options.random() * 0.6))
      const answer = await this.#client.touch(lock.lock, lock.key, ttlMs)
      if (answer?.outcome === 'refused') return true
    }
    return false
  }

  async #sign(hold: Hold, lock: SeenLock): Promise<Operation | undefined> {
    const choice = this.#options.random()
    const keys = this.#keysOf(hold)
    if (choice < 0.2) {
      // "free" is no refusal, but this lock is gone
      await this.#client.look(lock.key)
      return undefined
    }
    if (hold.session !== undefined && choice < 0.3) {
      return this.#client.touchSession(hold.session, hold.ttlMs, keys)
    }
    return this.#client.touch(lock.lock, lock.key, hold.ttlMs)
  }

  async #letGo(hold: Hold, isLate: boolean): Promise<void> {
    const isLong = hold.ttlMs === LONG_TTL_MS
    if (!isLate && this.#chance(isLong ? 0.003 : 0.02)) {
      this.#options.faults.death += 1
      if (hold.isSteady) this.#steady = undefined
      return
    }
    if (hold.session !== undefined && this.#chance(0.1)) {
      const ended = await this.#client.endSession(hold.session, this.#keysOf(hold))
      if (ended?.outcome === 'unknown') await this.#client.endSession(hold.session, this.#keysOf(hold))
      if (hold.isSteady) this.#steady = undefined
      return
    }
    for (const lock of hold.locks) {
      for (let attempt = 0; attempt <= REPEATS; attempt += 1) {
        const answer = await this.#client.release(lock.lock, lock.key)
        if (answer?.outcome === 'refused') break
        if (answer?.outcome === 'ok' && !this.#chance(0.02)) break
      }
    }
  }

  #keysOf(hold: Hold): readonly number[] {
    return hold.isSteady && this.#steady !== undefined
      ? [...this.#steady.keys]
      : hold.locks.map(({ key }) => key)
  }

  #ttl(): number {
    const { random } = this.#options
    if (random() < LONG_SHARE) return LONG_TTL_MS
    return Math.round(SHORT_TTL_MS.min + random() * (SHORT_TTL_MS.max - SHORT_TTL_MS.min))
  }

  #key(): number {
    const { keys, random } = this.#options
    return Math.floor(random() * (random() < HOT_SHARE ? HOT_KEYS : keys))
  }

  #set(): readonly number[] {
    const size = 2 + Math.floor(this.#options.random() * 3)
    return [...new Set(Array.from({ length: size }, () => this.#key()))]
  }

  #chance(probability: number): boolean {
    return this.#options.random() < probability
  }
}
