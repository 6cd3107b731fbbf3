import type { ReleaseOutcome, ReleaseSelection } from '../locks/release.ts'
import { MAX_EXPANDED_RESOURCES, MAX_LISTED, MAX_RESOURCES_PER_ACQUIRE } from '../locks/resource.ts'
import type { Database } from './database.ts'
import { type LockRow, lockOf } from './lock-row.ts'
import { type ReleaseKind, type ReleaseSetRow, releaseSetSql } from './statements/release-set.ts'

/** As many as there are: whoever releases everything is not told that it is too much. */
const NO_LIMIT = 2 ** 31 - 2

/**
 * Releases sets of locks: as many as an acquire may name with the connections of requests, more with those for
 * large statements. How many are named is known before; of the others the first try tells.
 */
export class SetReleaser {
  readonly #database: Database
  readonly #bulk: Database

  constructor(database: Database, bulk: Database) {
    this.#database = database
    this.#bulk = bulk
  }

  async release(selection: ReleaseSelection): Promise<ReleaseOutcome> {
    if (namedBy(selection.which) <= MAX_RESOURCES_PER_ACQUIRE) {
      const small = await this.#send(selection, MAX_RESOURCES_PER_ACQUIRE, false)
      if (small[0]?.state !== 'too_many') return outcomeOf(selection, small)
    }
    const most = selection.which.kind === 'expanded' ? MAX_EXPANDED_RESOURCES : NO_LIMIT
    return outcomeOf(selection, await this.#send(selection, most, true))
  }

  #send(selection: ReleaseSelection, most: number, large: boolean): Promise<readonly ReleaseSetRow[]> {
    const { namespace, holder, client, which, force } = selection
    const database = large ? this.#bulk : this.#database
    return database.run<ReleaseSetRow>(TEXTS.of(database.schema, which.kind, large), [
      namespace,
      holder,
      client !== undefined,
      client ?? null,
      most,
      which.kind === 'expanded' || which.kind === 'all' ? MAX_LISTED : MAX_RESOURCES_PER_ACQUIRE,
      force?.by ?? null,
      force?.reason ?? null,
      ...selectedBy(which),
    ])
  }
}

/** The texts, each made once. */
const TEXTS = {
  made: new Map<string, string>(),
  of(schema: string, kind: ReleaseKind, large: boolean): string {
    const key = `${schema} ${kind} ${large}`
    const text = this.made.get(key) ?? releaseSetSql(schema, kind, { large })
    this.made.set(key, text)
    return text
  },
}

/** 0 where the selection names none. */
function namedBy(which: ReleaseSelection['which']): number {
  if (which.kind === 'locks') return which.lockIds.length
  return which.kind === 'resources' ? which.resources.length : 0
}

function selectedBy(which: ReleaseSelection['which']): readonly unknown[] {
  switch (which.kind) {
    case 'locks':
      return [which.lockIds]
    case 'resources':
      return [which.resources.map(({ type }) => type), which.resources.map(({ id }) => id)]
    case 'all':
      return []
    case 'expanded':
      return [which.resource.type, which.resource.id, which.expand]
  }
}

function outcomeOf({ namespace }: ReleaseSelection, rows: readonly ReleaseSetRow[]): ReleaseOutcome {
  const [first] = rows
  if (first === undefined) throw new Error('the statement for a release answered nothing')
  switch (first.state) {
    case 'released':
      return {
        kind: 'released',
        locks: rows.filter(isListed).map(({ id, holder, fencing_token }) => ({
          lockId: id,
          holder,
          fencingToken: Number(fencing_token),
        })),
        count: first.count,
        holders: first.holders ?? [],
      }
    case 'conflict':
      return {
        kind: 'conflict',
        conflicts: rows.filter(isListed).map(lockOf),
        conflictCount: first.conflict_count,
      }
    case 'too_many':
      return { kind: 'too_many_resources', most: MAX_EXPANDED_RESOURCES }
    default:
      return {
        kind: first.state,
        resources: rows.map(row => ({ namespace, type: row.resource_type, id: row.resource_id })),
      }
  }
}

function isListed(row: ReleaseSetRow): row is ReleaseSetRow & LockRow {
  return row.id !== null
}
