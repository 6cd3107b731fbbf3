import type { Lock } from '../locks/lock.ts'
import type { LockName } from '../locks/lock-store.ts'
import type { Database } from './database.ts'
import { type Batching, Gatherer } from './gatherer.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { releaseManySql, releaseSql } from './statements/release.ts'
import { touchLockSql, touchLocksSql } from './statements/touch.ts'
import { isFaultOfStatement } from './trouble.ts'

export type Released = { readonly holder: string; readonly fencingToken: number }

export interface ReleasedRow {
  readonly id: string
  readonly holder: string
  readonly fencing_token: string
}

/** Touches and releases of single locks: those that come together go together. */
export class LockBatches {
  readonly #database: Database
  readonly #sql: Readonly<Record<'touch' | 'touchMany' | 'release' | 'releaseMany', string>>
  readonly #touches: Gatherer<LockName, Lock | undefined>
  readonly #releases: Gatherer<LockName, Released | undefined>

  constructor(database: Database, batching: Batching) {
    this.#database = database
    this.#sql = {
      touch: touchLockSql(database.schema),
      touchMany: touchLocksSql(database.schema),
      release: releaseSql(database.schema),
      releaseMany: releaseManySql(database.schema),
    }
    const options = {
      ...batching,
      isDivisible: isFaultOfStatement,
      keysOf: ({ lockId }: LockName) => [lockId],
    }
    // of two releases of one lock only the first finds it, so a statement has one; a touch is as good as two
    this.#releases = new Gatherer(names => this.#release(names), options)
    this.#touches = new Gatherer(names => this.#touch(names), { ...options, canShare: isSameName })
  }

  touch(name: LockName): Promise<Lock | undefined> {
    return this.#touches.add(name)
  }

  release(name: LockName): Promise<Released | undefined> {
    return this.#releases.add(name)
  }

  async #touch(names: readonly LockName[]): Promise<readonly (Lock | undefined)[]> {
    const [only] = names
    const rows =
      only !== undefined && names.length === 1
        ? await this.#database.run<LockRow>(this.#sql.touch, [only.lockId, only.namespace, only.holder])
        : await this.#database.run<LockRow>(this.#sql.touchMany, parametersOf(distinct(names)))
    const found = new Map(rows.map(row => [row.id, lockOf(row)]))
    return names.map(({ lockId }) => found.get(lockId))
  }

  async #release(names: readonly LockName[]): Promise<readonly (Released | undefined)[]> {
    const [only] = names
    const rows =
      only !== undefined && names.length === 1
        ? await this.#database.run<ReleasedRow>(this.#sql.release, [only.lockId, only.namespace, only.holder])
        : await this.#database.run<ReleasedRow>(this.#sql.releaseMany, parametersOf(names))
    const found = new Map(
      rows.map(({ id, holder, fencing_token }) => [id, { holder, fencingToken: Number(fencing_token) }]),
    )
    return names.map(({ lockId }) => found.get(lockId))
  }
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
