import type { Lock } from '../locks/lock.ts'
import type { LockName } from '../locks/lock-store.ts'
import type { Database } from './database.ts'
import type { Batching } from './gatherer.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { Busy, RowGatherer } from './row-gatherer.ts'
import type { Patience } from './statements/by-index.ts'
import { releaseManySql, releaseSql } from './statements/release.ts'
import { touchLockSql, touchLocksSql } from './statements/touch.ts'
import { isFaultOfStatement } from './trouble.ts'

export type Released = { readonly holder: string; readonly fencingToken: number }

export interface ReleasedRow {
  readonly id: string
  readonly holder: string
  readonly fencing_token: string
}

/** Of releaseManySql. */
type ReleaseManyRow = (ReleasedRow & { readonly busy: null }) | { readonly id: string; readonly busy: string }

/** Of touchLocksSql. */
type TouchManyRow = LockRow | (Omit<LockRow, 'last_touch'> & { readonly last_touch: null })

/** Statements that wait for a session's row, or pass it by. */
interface Statements {
  readonly touch: string
  readonly touchMany: string
  readonly release: string
  readonly releaseMany: string
}

function statementsOf(schema: string, patience: Patience): Statements {
  return {
    touch: touchLockSql(schema, patience),
    touchMany: touchLocksSql(schema, patience),
    release: releaseSql(schema, patience),
    releaseMany: releaseManySql(schema, patience),
  }
}

/** Touches and releases of single locks: those that come together go together. */
export class LockBatches {
  readonly #database: Database
  readonly #atOnce: Statements
  readonly #waiting: Statements
  readonly #touches: RowGatherer<LockName, Lock | undefined>
  readonly #releases: RowGatherer<LockName, Released | undefined>

  constructor(database: Database, batching: Batching) {
    this.#database = database
    this.#atOnce = statementsOf(database.schema, { waits: false })
    this.#waiting = statementsOf(database.schema, { waits: true })
    const options = {
      ...batching,
      isDivisible: isFaultOfStatement,
      keysOf: ({ lockId }: LockName) => [lockId],
    }
    // of two releases of one lock only the first finds it, so a statement has one; a touch is as good as two
    this.#releases = new RowGatherer(
      {
        atOnce: names => this.#releaseAtOnce(names),
        waiting: names => this.#releaseWaiting(names),
      },
      options,
    )
    this.#touches = new RowGatherer(
      {
        atOnce: names => this.#touchAtOnce(names),
        waiting: names => this.#touchWaiting(names),
      },
      { ...options, canShare: isSameName },
    )
  }

  touch(name: LockName): Promise<Lock | undefined> {
    return this.#touches.add(name)
  }

  release(name: LockName): Promise<Released | undefined> {
    return this.#releases.add(name)
  }

  async #touchAtOnce(names: readonly LockName[]): Promise<readonly (Lock | Busy | undefined)[]> {
    const [only] = names
    if (only !== undefined && names.length === 1) {
      const lock = await this.#touchOne(only, this.#atOnce)
      // else it is gone, or another has its session: the statement for many tells which
      if (lock !== undefined) return [lock]
    }
    return await this.#touchMany(names, this.#atOnce)
  }

  async #touchWaiting(names: readonly LockName[]): Promise<readonly (Lock | undefined)[]> {
    const [only] = names
    if (only !== undefined && names.length === 1) return [await this.#touchOne(only, this.#waiting)]
    return (await this.#touchMany(names, this.#waiting)).map(settled)
  }

  async #touchOne({ lockId, namespace, holder }: LockName, { touch }: Statements): Promise<Lock | undefined> {
    const [row] = await this.#database.run<LockRow>(touch, [lockId, namespace, holder])
    return row && lockOf(row)
  }

  async #touchMany(
    names: readonly LockName[],
    { touchMany }: Statements,
  ): Promise<readonly (Lock | Busy | undefined)[]> {
    const rows = await this.#database.run<TouchManyRow>(touchMany, parametersOf(distinct(names)))
    const found = new Map(
      rows.map(row => [row.id, row.last_touch === null ? new Busy(row.session_id) : lockOf(row)]),
    )
    return names.map(({ lockId }) => found.get(lockId))
  }

  async #releaseAtOnce(names: readonly LockName[]): Promise<readonly (Released | Busy | undefined)[]> {
    const [only] = names
    if (only !== undefined && names.length === 1) {
      const released = await this.#releaseOne(only, this.#atOnce)
      if (released !== undefined) return [released]
    }
    return await this.#releaseMany(names, this.#atOnce)
  }

  async #releaseWaiting(names: readonly LockName[]): Promise<readonly (Released | undefined)[]> {
    const [only] = names
    if (only !== undefined && names.length === 1) return [await this.#releaseOne(only, this.#waiting)]
    return (await this.#releaseMany(names, this.#waiting)).map(settled)
  }

  async #releaseOne(
    { lockId, namespace, holder }: LockName,
    { release }: Statements,
  ): Promise<Released | undefined> {
    const [row] = await this.#database.run<ReleasedRow>(release, [lockId, namespace, holder])
    return row && releasedOf(row)
  }

  async #releaseMany(
    names: readonly LockName[],
    { releaseMany }: Statements,
  ): Promise<readonly (Released | Busy | undefined)[]> {
    const rows = await this.#database.run<ReleaseManyRow>(releaseMany, parametersOf(names))
    const found = new Map(rows.map(row => [row.id, row.busy === null ? releasedOf(row) : new Busy(row.busy)]))
    return names.map(({ lockId }) => found.get(lockId))
  }
}

function releasedOf({ holder, fencing_token }: ReleasedRow): Released {
  return { holder, fencingToken: Number(fencing_token) }
}

/** Of a statement that has waited: a session that it could not lock is gone, and its locks with it. */
function settled<Answer>(answer: Answer | Busy): Answer | undefined {
  return answer instanceof Busy ? undefined : answer
}

function isSameName(_key: string, one: LockName, other: LockName): boolean {
  return one.namespace === other.namespace && one.holder === other.holder
}

function distinct(names: readonly LockName[]): readonly LockName[] {
  return [...new Map(names.map(name => [name.lockId, name])).values()]
}

/** Lock ids, namespaces, holders. */
function parametersOf(names: readonly LockName[]): readonly unknown[] {
  return [
    names.map(({ lockId }) => lockId),
    names.map(({ namespace }) => namespace),
    names.map(({ holder }) => holder),
  ]
}
