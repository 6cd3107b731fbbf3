import type { History } from '../../faults/history/history-file.ts'
import type { Kind, Mark, Operation, SeenLock } from '../../faults/history/operation.ts'
import { randomFrom } from '../support/random.ts'

/** Ways in which a lock service can be wrong. */
export const MUTANTS = [
  'grants what is held',
  'judges expiry by a clock that is off',
  'forgets tokens with the lock',
  'grants anew when it is asked again',
  'reads from a standby that lags',
  'fails over to a standby that lags',
  'sweeps what was touched meanwhile',
  'releases for anybody',
  'touches what was taken over',
  'revives what has expired',
  'answers before it commits',
  'takes sets in part',
  'does what it says it did not',
] as const
export type Mutant = (typeof MUTANTS)[number]

const TTLS_MS = [400, 20_000] as const
const USERS = 4

interface Lock extends SeenLock {
  readonly user: string
}

interface Session {
  readonly user: string
  readonly ttlUs: number
  expiresUs: number
  isEnded: boolean
}

interface Server {
  locks: Map<number, Lock>
  sessions: Map<string, Session>
  token: number
}

interface Request {
  readonly kind: Kind
  readonly user: string
  readonly keys: readonly number[]
  readonly session: string | null
  readonly lock: string | null
  readonly ttlMs: number | null
}

type Reading = Pick<Operation, 'outcome' | 'code' | 'seen'>

const REFUSALS = { conflict: 'lock_conflict', gone: 'lock_not_found', ended: 'session_expired' } as const

/**
 * A lock service and its clients in virtual time: requests and answers take time and get lost, clients pause past
 * their ttls, and now and then the server fails over. What it answers is what the real one would, unless it is a mutant.
 */
export class SimulatedService {
  readonly #random: () => number
  readonly #mutant: Mutant | undefined
  readonly #keys: number
  readonly #operations: Operation[] = []
  readonly #marks: Mark[] = []
  readonly #agenda: { readonly atUs: number; readonly run: () => void }[] = []
  readonly #queue = { numbers: 0, locks: 0, sessions: 0 }
  #server: Server = { locks: new Map(), sessions: new Map(), token: 0 }
  #standby: Server = { locks: new Map(), sessions: new Map(), token: 0 }
  /** Grants that were answered and are still to be written. */
  #unwritten = new Set<string>()
  /** Requests that nothing came back of yet. */
  readonly #underWay = new Map<number, () => void>()
  #nowUs = 0

  constructor(seed: number, keys: number, mutant?: Mutant) {
    this.#random = randomFrom(seed)
    this.#mutant = mutant
    this.#keys = keys
  }

  run(clients: number, operations: number): History {
    for (let client = 0; client < clients; client += 1) this.#client(client)
    this.#later(100_000, () => this.#copyToStandby())
    this.#later(3_000_000, () => this.#failOver())
    while (this.#operations.length < operations) {
      const next = this.#agenda.shift()
      if (next === undefined) break
      this.#nowUs = next.atUs
      next.run()
    }
    for (const giveUp of [...this.#underWay.values()]) giveUp()
    const keys = Array.from({ length: this.#keys }, (_, key) => `k${key}`)
    const header = { seed: 0, round: 1, namespace: 'simulated', keys, topology: 'pair' as const }
    return { header, operations: this.#operations, marks: this.#marks }
  }

  #later(us: number, run: () => void): void {
    const atUs = this.#nowUs + us
    let index = this.#agenda.length
    while (index > 0 && (this.#agenda[index - 1]?.atUs ?? 0) > atUs) index -= 1
    this.#agenda.splice(index, 0, { atUs, run })
  }

  #chance(probability: number): boolean {
    return this.#random() < probability
  }

  #latencyUs(): number {
    return 500 + this.#random() * (this.#chance(0.02) ? 300_000 : 8000)
  }

  /** Sends a request and calls back with the answer; `patience` is up before a lost one comes. */
  #ask(client: number, request: Request, then: (answer: Operation) => void): void {
    this.#queue.numbers += 1
    const number = this.#queue.numbers
    const sentUs = this.#nowUs
    const finish = (reading: Reading | undefined) => {
      const isLost = reading === undefined
      const operation: Operation = {
        ...request,
        number,
        client,
        service: '',
        sentUs,
        answeredUs: isLost ? null : this.#nowUs,
        outcome: reading?.outcome ?? 'unknown',
        code: reading?.code ?? 'no_answer',
        seen: reading?.seen ?? [],
      }
      this.#operations.push(operation)
      this.#underWay.delete(number)
      then(operation)
    }
    this.#underWay.set(number, () => finish(undefined))
    if (this.#chance(0.01)) {
      this.#later(200_000, () => finish(undefined))
      return
    }
    this.#later(this.#latencyUs(), () => {
      const reading = this.#serve(number, request)
      const isAnswerLost = this.#chance(0.01)
      this.#later(isAnswerLost ? 200_000 : this.#latencyUs(), () =>
        finish(isAnswerLost ? undefined : reading),
      )
    })
  }

  #client(client: number): void {
    const user = `user-${client % USERS}`
    const names = { user, session: null, lock: null, ttlMs: null }
    const again = () => this.#later(this.#random() * 20_000, () => this.#client(client))
    const key = Math.floor(this.#random() * this.#keys)
    if (this.#chance(0.2)) {
      this.#ask(client, { ...names, kind: 'look', keys: [key] }, ({ seen }) => {
        const [lock] = seen
        if (lock === undefined || !this.#chance(0.1)) again()
        else this.#ask(client, { ...names, kind: 'release', keys: [key], lock: lock.lock }, again)
      })
      return
    }
    const keys = this.#chance(0.15) ? [...new Set([key, (key + 1) % this.#keys])] : [key]
    const ttlMs = TTLS_MS[this.#chance(0.4) ? 1 : 0]
    this.#queue.sessions += 1
    const session = `session-${this.#queue.sessions}`
    const kind = this.#chance(0.03) ? 'take_over' : 'acquire'
    const acquire = { ...names, kind, keys, session, ttlMs } as const
    const onAnswer = (attempt: number) => (answer: Operation) => {
      const [lock] = answer.seen
      if (answer.outcome === 'unknown' && attempt < 3) this.#ask(client, acquire, onAnswer(attempt + 1))
      else if (answer.outcome !== 'ok' || lock === undefined) again()
      else if (this.#chance(0.05))
        this.#ask(client, acquire, () => this.#hold(client, user, answer.seen, ttlMs, again))
      else this.#hold(client, user, answer.seen, ttlMs, again)
    }
    this.#ask(client, acquire, onAnswer(1))
  }

  #hold(client: number, user: string, locks: readonly SeenLock[], ttlMs: number, then: () => void): void {
    const [lock] = locks
    if (lock === undefined) {
      then()
      return
    }
    const { key } = lock
    const names = { user, session: null, ttlMs: null, keys: [key], lock: lock.lock }
    const pauseUs = ttlMs === TTLS_MS[0] && this.#chance(0.1) ? ttlMs * 1500 : this.#random() * 30_000
    this.#later(pauseUs, () => {
      if (this.#chance(0.5)) {
        this.#ask(client, { ...names, kind: 'touch', ttlMs }, answer => {
          if (answer.outcome === 'refused') then()
          else this.#hold(client, user, locks, ttlMs, then)
        })
      } else if (this.#chance(ttlMs === TTLS_MS[0] ? 0.05 : 0.002)) then()
      else
        this.#ask(client, { ...names, kind: 'release' }, () =>
          this.#hold(client, user, locks.slice(1), ttlMs, then),
        )
    })
  }

  #isLive(session: Session | undefined): boolean {
    if (session === undefined || session.isEnded) return false
    const offUs =
      this.#mutant === 'judges expiry by a clock that is off' ? (this.#random() - 0.5) * 600_000 : 0
    return session.expiresUs > this.#nowUs + offUs
  }

  #holderOf(key: number, server = this.#server): Lock | undefined {
    const lock = server.locks.get(key)
    return lock !== undefined && this.#isLive(server.sessions.get(lock.session)) ? lock : undefined
  }

  #serve(number: number, request: Request): Reading {
    const { kind, keys, lock: id } = request
    if (kind === 'acquire' || kind === 'take_over') return this.#grant(number, request)
    const [key] = keys
    if (key === undefined) throw new Error('a request without a resource')
    if (kind === 'look') {
      const lags = this.#mutant === 'reads from a standby that lags' && this.#chance(0.3)
      const seen = this.#holderOf(key, lags ? this.#standby : this.#server)
      return seen === undefined ? refused('gone') : { outcome: 'ok', code: '', seen: [shown(seen)] }
    }
    const held = this.#server.locks.get(key)
    const session = this.#server.sessions.get(held?.session ?? '')
    if (kind === 'touch') {
      const isTakenOver = this.#mutant === 'touches what was taken over' && held !== undefined
      if (held === undefined || (held.lock !== id && !isTakenOver) || session === undefined)
        return refused('gone')
      const revives = this.#mutant === 'revives what has expired' && !session.isEnded
      if (!this.#isLive(session) && !revives) return refused('gone')
      const sweeps = this.#mutant === 'sweeps what was touched meanwhile' && this.#chance(0.1)
      if (sweeps) this.#end(held)
      session.expiresUs = Math.max(session.expiresUs, this.#nowUs + session.ttlUs)
      return { outcome: 'ok', code: '', seen: [shown({ ...held, lock: id ?? held.lock })] }
    }
    const isAnybodys = this.#mutant === 'releases for anybody'
    if (held === undefined || held.lock !== id || !this.#isLive(session)) return refused('gone')
    if (held.user !== request.user && !isAnybodys) return { outcome: 'refused', code: 'forbidden', seen: [] }
    this.#end(held)
    return { outcome: 'ok', code: '', seen: [] }
  }

  #grant(number: number, { kind, keys, user, session: id, ttlMs }: Request): Reading {
    const { sessions, locks } = this.#server
    const name = id ?? ''
    const ttlUs = (ttlMs ?? 0) * 1000
    const known = sessions.get(name)
    const isRepeated = this.#mutant === 'grants anew when it is asked again' && known !== undefined
    if (known !== undefined && !this.#isLive(known) && !isRepeated) return refused('ended')
    const inTheWay = keys.flatMap(key => this.#holderOf(key) ?? []).filter(({ session }) => session !== name)
    const isBlind = this.#mutant === 'grants what is held' && this.#chance(0.05)
    if (known !== undefined) known.expiresUs = Math.max(known.expiresUs, this.#nowUs + ttlUs)
    if (kind === 'acquire' && inTheWay.length > 0 && !isBlind) {
      const takesSome = this.#mutant === 'takes sets in part' && keys.length > 1
      if (!takesSome) return { outcome: 'refused', code: REFUSALS.conflict, seen: inTheWay.map(shown) }
    }
    const session = { user, ttlUs, expiresUs: this.#nowUs + ttlUs, isEnded: false }
    if (known === undefined || isRepeated) sessions.set(name, session)
    const seen: SeenLock[] = []
    for (const key of keys) {
      const held = this.#holderOf(key)
      if (held?.session === name && !isRepeated) {
        seen.push({ ...shown(held), existing: true })
        continue
      }
      if (held !== undefined && kind === 'acquire' && this.#mutant === 'takes sets in part') continue
      this.#server.token += 1
      this.#queue.locks += 1
      const token =
        this.#mutant === 'forgets tokens with the lock' && !locks.has(key)
          ? key + 1
          : this.#server.token * 1000 + key
      const lock = {
        key,
        lock: String(this.#queue.locks),
        token,
        session: name,
        by: number,
        existing: false,
        user,
      }
      locks.set(key, lock)
      seen.push(shown(lock))
      if (this.#mutant === 'answers before it commits') this.#write(lock)
    }
    if (this.#mutant === 'does what it says it did not' && this.#chance(0.02)) {
      return { outcome: 'unchanged', code: 'database_timeout', seen: [] }
    }
    return { outcome: 'ok', code: '', seen }
  }

  /** Some time after it was answered, and not at all where the server fails over before. */
  #write(lock: Lock): void {
    this.#unwritten.add(lock.lock)
    this.#later(50_000, () => this.#unwritten.delete(lock.lock))
  }

  #end(lock: Lock): void {
    this.#server.locks.delete(lock.key)
    const session = this.#server.sessions.get(lock.session)
    const isLast = ![...this.#server.locks.values()].some(other => other.session === lock.session)
    if (session !== undefined && isLast) session.isEnded = true
  }

  #copyToStandby(): void {
    this.#standby = copyOf(this.#server)
    this.#later(100_000, () => this.#copyToStandby())
  }

  #failOver(): void {
    const mark = { mark: 'failover', what: '', fromUs: this.#nowUs, toUs: this.#nowUs } as const
    this.#marks.push(mark)
    if (this.#mutant === 'fails over to a standby that lags') {
      this.#server = { ...copyOf(this.#standby), token: this.#server.token }
    }
    for (const lock of this.#server.locks.values()) if (this.#unwritten.has(lock.lock)) this.#end(lock)
    this.#later(3_000_000, () => this.#failOver())
  }
}

function refused(why: keyof typeof REFUSALS): Reading {
  return { outcome: 'refused', code: REFUSALS[why], seen: [] }
}

function shown({ key, lock, token, session, by }: SeenLock): SeenLock {
  return { key, lock, token, session, by, existing: false }
}

function copyOf({ locks, sessions, token }: Server): Server {
  const copies = [...sessions].map(([id, session]) => [id, { ...session }] as const)
  return { locks: new Map(locks), sessions: new Map(copies), token }
}
