import { setTimeout as pause } from 'node:timers/promises'
import { nowUs } from '../history/clock.ts'
import type { Kind, Operation } from '../history/operation.ts'
import { lost, readAnswer } from './answers.ts'
import type { Caller } from './caller.ts'

/** A round as its clients see it. */
export interface Room {
  readonly namespace: string
  readonly keys: number
  nextNumber(): number
  record(operation: Operation): void
}

/** Who calls. */
export interface Identity {
  readonly client: number
  readonly user: string
  readonly apiKey: string
}

/** What a request names, for the record. */
interface Names {
  readonly keys?: readonly number[]
  readonly session?: string | undefined
  readonly lock?: string
  readonly ttlMs?: number | null
}

/** A pause before another try where nothing listens or nothing works. */
const RETRY_MS = 80

/** The calls of the API, each recorded with what came back. Undefined: it was never sent. */
export class LockClient {
  readonly identity: Identity
  readonly #room: Room
  readonly #caller: Caller

  constructor(identity: Identity, room: Room, caller: Caller) {
    this.identity = identity
    this.#room = room
    this.#caller = caller
  }

  /** With a ttl and a session the session is made on first use; with a session alone it has to exist. */
  acquire(
    keys: readonly number[],
    { session, ttlMs }: { session: string | undefined; ttlMs: number | undefined },
    takeOver = false,
  ): Promise<Operation | undefined> {
    const number = this.#room.nextNumber()
    const body = {
      resources: keys.map(key => ({ type: 'item', id: `k${key}` })),
      reference: String(number),
      ...(session === undefined ? {} : { session }),
      ...(ttlMs === undefined ? {} : { ttl: ttlMs / 1000 }),
      ...(takeOver ? { takeover: true, reason: 'a fault run' } : {}),
    }
    const names: Names = { keys, session, ttlMs: ttlMs ?? null }
    const path = `/v1/namespaces/${this.#room.namespace}/locks`
    return this.#ask(number, takeOver ? 'take_over' : 'acquire', names, 'POST', path, JSON.stringify(body))
  }

  touch(lock: string, key: number, ttlMs: number): Promise<Operation | undefined> {
    return this.#ask(undefined, 'touch', { keys: [key], lock, ttlMs }, 'PUT', this.#lockPath(lock))
  }

  release(lock: string, key: number): Promise<Operation | undefined> {
    return this.#ask(undefined, 'release', { keys: [key], lock }, 'DELETE', this.#lockPath(lock))
  }

  forceRelease(lock: string, key: number): Promise<Operation | undefined> {
    const path = `${this.#lockPath(lock)}?force=true&reason=fault`
    return this.#ask(undefined, 'force_release', { keys: [key], lock }, 'DELETE', path)
  }

  look(key: number): Promise<Operation | undefined> {
    const path = `/v1/namespaces/${this.#room.namespace}/resources/item/k${key}/lock`
    return this.#ask(undefined, 'look', { keys: [key] }, 'GET', path)
  }

  startSession(session: string, ttlMs: number): Promise<Operation | undefined> {
    const body = JSON.stringify({ id: session, ttl: ttlMs / 1000 })
    return this.#ask(undefined, 'start_session', { session, ttlMs }, 'POST', '/v1/sessions', body)
  }

  /** `keys`: those that the session may have locks on. */
  touchSession(session: string, ttlMs: number, keys: readonly number[]): Promise<Operation | undefined> {
    return this.#ask(undefined, 'touch_session', { keys, session, ttlMs }, 'PUT', `/v1/sessions/${session}`)
  }

  endSession(session: string, keys: readonly number[]): Promise<Operation | undefined> {
    return this.#ask(undefined, 'end_session', { keys, session }, 'DELETE', `/v1/sessions/${session}`)
  }

  leave(): void {
    this.#caller.leave()
  }

  #lockPath(lock: string): string {
    return `/v1/namespaces/${this.#room.namespace}/locks/${lock}`
  }

  async #ask(
    number: number | undefined,
    kind: Kind,
    { keys = [], session, lock, ttlMs = null }: Names,
    method: string,
    path: string,
    body?: string,
  ): Promise<Operation | undefined> {
    const exchange = await this.#caller.exchange(method, path, this.identity.apiKey, body)
    if (exchange === undefined) {
      await pause(RETRY_MS)
      return undefined
    }
    const { sentUs, answer, answeredUs = null, service } = exchange
    const { outcome, code, seen } = answer === undefined ? lost(exchange.gaveUpAfterMs) : readAnswer(answer)
    const operation: Operation = {
      number: number ?? this.#room.nextNumber(),
      client: this.identity.client,
      user: this.identity.user,
      service,
      kind,
      keys,
      session: session ?? null,
      lock: lock ?? null,
      ttlMs,
      sentUs,
      answeredUs,
      outcome,
      code,
      seen,
    }
    this.#room.record(operation)
    if (outcome === 'unchanged' || (outcome === 'unknown' && answer !== undefined)) {
      // another service may be better off
      this.#caller.leave()
      await pause(RETRY_MS)
    }
    return operation
  }
}

/** Of an operation by hand or by a fault: the part of a record that does not depend on HTTP. */
export function handmade(
  room: Room,
  names: Pick<Operation, 'kind' | 'keys' | 'session' | 'lock'>,
  sentUs: number,
  outcome: Operation['outcome'],
): void {
  room.record({
    ...names,
    number: room.nextNumber(),
    client: -1,
    user: 'dba',
    service: '',
    ttlMs: null,
    sentUs,
    answeredUs: outcome === 'unknown' ? null : nowUs(),
    outcome,
    code: '',
    seen: [],
  })
}
