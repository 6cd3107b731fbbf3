import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import type { CatalogueEntry, Namespace, ResourceName } from '../locks/catalogue.ts'
import type { CatalogueOutcome, CatalogueStore } from '../locks/catalogue-store.ts'
import { findFlaw, keyOf, type ParentOf } from '../locks/catalogue-tree.ts'
import { DatabaseTrouble } from '../locks/errors.ts'
import type { Resource } from '../locks/resource.ts'
import type { Database } from './database.ts'
import { readAncestorsSql, removeEntrySql, writeEntriesSql } from './statements/catalogue.ts'
import { hasSqlState } from './trouble.ts'

/** Writers of one namespace meet rarely; as many in a row that came first mean a crowd, and a 503 is honest. */
const MAX_TRIES = 20

/** Of the pause before another try, times the tries so far: about as long as a small change takes. */
const PAUSE_MS = 10

/** A child was put under the resource, or its parent taken away, by a hand that leaves the version alone. */
const FOREIGN_KEY_VIOLATION = '23503'

interface AncestorRow {
  readonly catalogue_version: string
  readonly resource_type: string | null
  readonly resource_id: string | null
  readonly parent_type: string | null
  readonly parent_id: string | null
}

/**
 * Catalogues in PostgreSQL. A change is checked against what was read and written only if nothing has changed
 * since: the version of the namespace is the guard, so no transaction is open while entries are checked.
 */
export class CatalogueRepository implements CatalogueStore {
  readonly #database: Database
  readonly #bulk: Database
  readonly #sql: Readonly<Record<'readAncestors' | 'writeEntries' | 'removeEntry', string>>

  /** `bulk`: for changes, which may be large and take long. They never hold up whoever only looks. */
  constructor(database: Database, bulk: Database = database) {
    this.#database = database
    this.#bulk = bulk
    this.#sql = {
      readAncestors: readAncestorsSql(database.schema),
      writeEntries: writeEntriesSql(database.schema),
      removeEntry: removeEntrySql(database.schema),
    }
  }

  async getNamespace(name: string): Promise<Namespace> {
    const row = await this.#database.kysely
      .selectFrom('namespaces')
      .select('is_closed')
      .where('name', '=', name)
      .executeTakeFirst()
    return { name, isClosed: row?.is_closed ?? false }
  }

  async setNamespace({ name, isClosed }: Namespace): Promise<void> {
    await this.#bulk.kysely
      .insertInto('namespaces')
      .values({ name, is_closed: isClosed })
      .onConflict(conflict => conflict.column('name').doUpdateSet({ is_closed: isClosed }))
      .execute()
  }

  async put(namespace: string, entries: readonly CatalogueEntry[]): Promise<CatalogueOutcome> {
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      const { version, parentOf } = await this.#readAncestors(namespace, entries)
      const flaw = findFlaw(entries, parentOf)
      if (flaw !== undefined) return flaw
      const count = await this.#write(namespace, version, entries)
      if (count !== undefined) return { kind: 'done', count }
      await delay(Math.random() * tries * PAUSE_MS)
    }
    throw crowded()
  }

  async get({ namespace, type, id }: Resource): Promise<CatalogueEntry | undefined> {
    const row = await this.#database.kysely
      .selectFrom('resources as r')
      .select(['r.kind', 'r.parent_type', 'r.parent_id'])
      .select(
        sql<ResourceName[]>`(
          select coalesce(json_agg(json_build_object('type', e.element_type, 'id', e.element_id) order by e.position), '[]')
          from ${sql.table(`${this.#database.schema}.selection_elements`)} e
          where e.namespace = r.namespace and e.selection_type = r.resource_type and e.selection_id = r.resource_id
        )`.as('elements'),
      )
      .where('r.namespace', '=', namespace)
      .where('r.resource_type', '=', type)
      .where('r.resource_id', '=', id)
      .executeTakeFirst()
    if (row === undefined) return undefined
    return {
      resource: { namespace, type, id },
      parent: nameOf(row.parent_type, row.parent_id),
      kind: row.kind,
      elements: row.elements,
    }
  }

  async remove({ namespace, type, id }: Resource): Promise<'removed' | 'not_found' | 'has_children'> {
    try {
      const [row] = await this.#bulk.run<{ removed: boolean }>(this.#sql.removeEntry, [namespace, type, id])
      if (row === undefined) return 'not_found'
      return row.removed ? 'removed' : 'has_children'
    } catch (error) {
      // a child that this statement's snapshot did not show
      if (hasSqlState(error, FOREIGN_KEY_VIOLATION)) return 'has_children'
      throw error
    }
  }

  /** What is above the parents that the entries do not bring themselves. */
  async #readAncestors(
    namespace: string,
    entries: readonly CatalogueEntry[],
  ): Promise<{ version: string; parentOf: ParentOf }> {
    const brought = new Set(entries.map(({ resource }) => keyOf(resource)))
    const outside = new Map<string, ResourceName>()
    for (const { parent } of entries) {
      if (parent !== null && !brought.has(keyOf(parent))) outside.set(keyOf(parent), parent)
    }
    const names = [...outside.values()]
    const rows = await this.#bulk.run<AncestorRow>(this.#sql.readAncestors, [
      namespace,
      names.map(({ type }) => type),
      names.map(({ id }) => id),
    ])
    const parentOf = new Map<string, ResourceName | null>()
    for (const row of rows) {
      const name = nameOf(row.resource_type, row.resource_id)
      if (name !== null) parentOf.set(keyOf(name), nameOf(row.parent_type, row.parent_id))
    }
    return { version: rows[0]?.catalogue_version ?? '0', parentOf }
  }

  /** How many were written; undefined where the catalogue has changed since it was read. */
  async #write(
    namespace: string,
    version: string,
    entries: readonly CatalogueEntry[],
  ): Promise<number | undefined> {
    const elements = entries.flatMap(({ resource, elements }) =>
      elements.map((element, index) => ({ resource, element, position: index + 1 })),
    )
    try {
      const [row] = await this.#bulk.run<{ written: number }>(this.#sql.writeEntries, [
        namespace,
        version,
        entries.map(({ resource }) => resource.type),
        entries.map(({ resource }) => resource.id),
        entries.map(({ parent }) => parent?.type ?? null),
        entries.map(({ parent }) => parent?.id ?? null),
        entries.map(({ kind }) => kind),
        entries.map(({ elements }) => elements.length),
        elements.map(({ resource }) => resource.type),
        elements.map(({ resource }) => resource.id),
        elements.map(({ position }) => position),
        elements.map(({ element }) => element.type),
        elements.map(({ element }) => element.id),
      ])
      return row?.written
    } catch (error) {
      if (hasSqlState(error, FOREIGN_KEY_VIOLATION)) return undefined
      throw error
    }
  }
}

function nameOf(type: string | null, id: string | null): ResourceName | null {
  return type === null || id === null ? null : { type, id }
}

function crowded(): DatabaseTrouble {
  return new DatabaseTrouble(
    'database_unavailable',
    'unchanged',
    'others keep changing this catalogue at the same time',
  )
}
