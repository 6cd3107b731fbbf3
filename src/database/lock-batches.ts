import type { Lock } from '../locks/lock.ts'
import type { LockName } from '../locks/lock-store.ts'
import type { Database } from './database.ts'
import type { Batching } from './gatherer.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { Busy, RowGatherer } from './row-gatherer.ts'
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

type StatementName =
  | 'touch'
  | 'touchMany'
  | 'touchManyWaiting'
  | 'release'
  | 'releaseMany'
  | 'releaseManyWaiting'

/** Touches and releases of single locks: those that come together go together. */
export class LockBatches {
  readonly #database: Database
  readonly #sql: Readonly<Record<StatementName, string>>
  readonly #touches: RowGatherer<LockName, Lock | undefined>
  readonly #releases: RowGatherer<LockName, Released | undefined>

  constructor(database: Database, batching: Batching) {
    this.#database = database
    this.#sql = {
      touch: touchLockSql(database.schema),
      touchMany: touchLocksSql(database.schema, { waits: false }),
      touchManyWaiting: touchLocksSql(database.schema, { waits: true }),
      release: releaseSql(database.schema),
      releaseMany: releaseManySql(database.schema, { waits: false }),
      releaseManyWaiting: releaseManySql(database.schema, { waits: true }),
    }
    const options = {
      ...batching,
      isDivisible: isFaultOfStatement,
      keysOf: ({ lockId }: LockName) => [lockId],
    }
    // of two releases of one lock only the first finds it, so a statement has one; a touch is as good as two
    this.#releases = new RowGatherer(
      {
        atOnce: names => this.#release(names, this.#sql.releaseMany),
        waiting: async names => (await this.#release(names, this.#sql.releaseManyWaiting)).map(whole),
      },
      options,
    )
    this.#touches = new RowGatherer(
      {
        atOnce: names => this.#touch(names, this.#sql.touchMany),
        waiting: async names => (await this.#touch(names, this.#sql.touchManyWaiting)).map(whole),
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

  async #touch(names: readonly LockName[], many: string): Promise<readonly (Lock | Busy | undefined)[]> {
    const [only] = names
    const rows =
      only !== undefined && names.length === 1
        ? await this.#database.run<LockRow>(this.#sql.touch, [only.lockId, only.namespace, only.holder])
        : await this.#database.run<TouchManyRow>(many, parametersOf(distinct(names)))
    const found = new Map(
      rows.map(row => [row.id, row.last_touch === null ? new Busy(row.session_id) : lockOf(row)]),
    )
    return names.map(({ lockId }) => found.get(lockId))
  }

  async #release(
    names: readonly LockName[],
    many: string,
  ): Promise<readonly (Released | Busy | undefined)[]> {
    const [only] = names
    if (only !== undefined && names.length === 1) {
      const parameters = [only.lockId, only.namespace, only.holder]
      const [row] = await this.#database.run<ReleasedRow>(this.#sql.release, parameters)
      return [row && releasedOf(row)]
    }
    const rows = await this.#database.run<ReleaseManyRow>(many, parametersOf(names))
    const found = new Map(rows.map(row => [row.id, row.busy === null ? releasedOf(row) : new Busy(row.busy)]))
    return names.map(({ lockId }) => found.get(lockId))
  }
}

function releasedOf({ holder, fencing_token }: ReleasedRow): Released {
  return { holder, fencingToken: Number(fencing_token) }
}

/** Of a statement that has waited: a session that it could not lock is gone, and its locks with it. */
function whole<Answer>(answer: Answer | Busy): Answer | undefined {
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
