import { createHash } from 'node:crypto'
import type pg from 'pg'
import { Database } from '../../../src/database/database.ts'
import { statementTrouble } from '../../../src/database/trouble.ts'
import { POOL_SETTINGS } from '../database.ts'

export type Row = Readonly<Record<string, unknown>>

/** A statement that a repository sent, and what became of it. */
export interface Statement {
  readonly actor: number
  readonly text: string
  readonly parameters: readonly unknown[]
  /** How many commits there had been when it started. */
  readonly startedAfter: number
  /** No other statement was under way when it started. */
  readonly isAlone: boolean
  rows: readonly Row[]
  error: unknown
}

interface Sent {
  readonly text: string
  readonly parameters: readonly unknown[]
  resolve(rows: readonly Row[]): void
  reject(error: unknown): void
}

/**
 * What an actor is at. `thinking`: its repository works, no statement is there. `ready`: a statement waits to be
 * started. `running`: it was sent, perhaps it waits for a lock. `open`: it was answered, its transaction is open.
 */
export type Phase = 'thinking' | 'ready' | 'running' | 'open' | 'finished'

/** A database whose statements wait until they are told to start, and then until they are told to commit. */
class SteppedDatabase extends Database {
  readonly #send: (text: string, parameters: readonly unknown[]) => Promise<readonly Row[]>

  constructor(send: (text: string, parameters: readonly unknown[]) => Promise<readonly Row[]>) {
    super({ ...POOL_SETTINGS, url: 'postgres://nobody@127.0.0.1:1/nothing' }, 'leasehold')
    this.#send = send
  }

  override async run<R>(text: string, parameters: readonly unknown[]): Promise<readonly R[]> {
    return (await this.#send(text, parameters)) as readonly R[]
  }
}

/** One of those who work at once: a call of a repository, and the connection that its statements are sent on. */
export class Actor {
  readonly database: Database
  readonly pid: number
  statement: Statement | undefined
  /** What its call came to. */
  outcome: { readonly value: unknown } | { readonly error: unknown } | undefined
  readonly #number: number
  readonly #client: pg.Client
  readonly #changed: () => void
  readonly #failed: (statement: Statement) => void
  readonly #queue: Sent[] = []
  readonly #history: { readonly key: string; readonly version: number }[] = []
  #current: Sent | undefined
  #left: number
  #phase: Phase = 'thinking'

  /** `statements`: after so many it is finished, and whatever it sends then is never answered. */
  constructor(
    number: number,
    { client, pid }: { readonly client: pg.Client; readonly pid: number },
    statements: number,
    changed: () => void,
    failed: (statement: Statement) => void,
  ) {
    this.#number = number
    this.#client = client
    this.pid = pid
    this.#left = statements
    this.#changed = changed
    this.#failed = failed
    this.database = new SteppedDatabase((text, parameters) => this.#send(text, parameters))
  }

  get phase(): Phase {
    return this.#phase
  }

  /** What would be started next. */
  get next(): { readonly text: string; readonly key: string } | undefined {
    const sent = this.#queue[0]
    return sent && { text: sent.text, key: keyOf(sent) }
  }

  /** At which version of the world the same statement was last started. */
  lastStarted(key: string): number | undefined {
    return this.#history.findLast(entry => entry.key === key)?.version
  }

  /** Its call. */
  act(call: (database: Database) => Promise<unknown>): void {
    call(this.database).then(
      value => this.#end({ value }),
      error => this.#end({ error }),
    )
  }

  /** Begins with a statement that was sent and answered before the first of all others. */
  async openWith(text: string, parameters: readonly unknown[]): Promise<void> {
    await this.#client.query('begin')
    const { rows } = await this.#client.query(text, [...parameters])
    const statement = { actor: this.#number, text, parameters, startedAfter: 0, isAlone: true }
    this.statement = { ...statement, rows, error: undefined }
    this.#left = 0
    this.#set('open')
  }

  start(version: number, startedAfter: number, isAlone: boolean): void {
    const sent = this.#queue.shift()
    if (sent === undefined) throw new Error('no statement is ready')
    const { text, parameters } = sent
    const statement: Statement = {
      actor: this.#number,
      text,
      parameters,
      startedAfter,
      isAlone,
      rows: [],
      error: undefined,
    }
    this.#history.push({ key: keyOf(sent), version })
    this.#left -= 1
    this.#current = sent
    this.statement = statement
    this.#set('running')
    void this.#execute(statement)
  }

  /** What an autocommit statement does at its end. */
  async commit(): Promise<Statement> {
    const { statement } = this
    if (statement === undefined) throw new Error('nothing to commit')
    const sent = this.#current
    await this.#client.query('commit')
    this.statement = undefined
    this.#current = undefined
    this.#goOn()
    sent?.resolve(statement.rows)
    return statement
  }

  /** Ends what is open. Whatever its call sends from now on is never answered. */
  async abandon(): Promise<void> {
    this.#left = 0
    this.#phase = 'finished'
    await this.#client.query('rollback')
  }

  async #execute(statement: Statement): Promise<void> {
    try {
      await this.#client.query('begin')
      const { text, parameters } = statement
      const { rows } = await this.#client.query({ text, values: [...parameters], name: nameOf(text) })
      statement.rows = rows
      this.#set('open')
    } catch (error) {
      statement.error = error
      const sent = this.#current
      this.#current = undefined
      // an error ends the transaction of an autocommit statement at once
      await this.#client.query('rollback')
      this.#failed(statement)
      this.statement = undefined
      this.#goOn()
      sent?.reject(statementTrouble(error))
    }
  }

  #send(text: string, parameters: readonly unknown[]): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      if (this.#phase === 'finished') return
      this.#queue.push({ text, parameters, resolve, reject })
      if (this.#phase === 'thinking') this.#set('ready')
    })
  }

  #goOn(): void {
    if (this.#left <= 0) this.#set('finished')
    else this.#set(this.#queue.length > 0 ? 'ready' : 'thinking')
  }

  #end(outcome: NonNullable<Actor['outcome']>): void {
    this.outcome = outcome
    if (this.#phase === 'thinking') this.#set('finished')
  }

  #set(phase: Phase): void {
    if (this.#phase === 'finished') return
    this.#phase = phase
    this.#changed()
  }
}

function keyOf({ text, parameters }: { text: string; parameters: readonly unknown[] }): string {
  return `${text} ${JSON.stringify(parameters)}`
}

const names = new Map<string, string>()

function nameOf(text: string): string {
  const name = names.get(text) ?? createHash('sha256').update(text).digest('hex').slice(0, 32)
  names.set(text, name)
  return name
}
