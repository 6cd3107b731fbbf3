/**
 * Ways to rows of locks and sessions that go by the index of what is known of them, for a list of FROM, each by a lateral
 * subquery. `offset 0` keeps PostgreSQL from making a join of it.
 *
 * A join would be left to statistics, and those are of the last vacuum or analyze. Where that found hardly any rows, one
 * way is as cheap as another: whole indexes are read, to be compared with the rows of the other side. The plan is kept
 * while the table grows, so that each request reads all locks there are, for a minute and longer.
 */

/** `id`: an expression of what stands before it in FROM, qualified. */
export function sessionById(schema: string, id: string): string {
  return `lateral (select * from ${schema}.sessions where id = ${id} offset 0)`
}

/**
 * Nothing else is compared here, though all callers know the namespace too: PostgreSQL would rather go by that. The
 * session of a lock never changes, and so need not be compared again.
 */
export function lockById(schema: string, id: string): string {
  return `lateral (select * from ${schema}.locks where id = ${id} offset 0)`
}

/** By its unique key. */
export function lockOfResource(schema: string, namespace: string, type: string, id: string): string {
  return `lateral (
    select * from ${schema}.locks
    where namespace = ${namespace} and resource_type = ${type} and resource_id = ${id}
    offset 0
  )`
}

/**
 * Sessions with their rows locked, one after the other in the order of their ids, so that statements that wait for each
 * other cannot deadlock. `ids`: a query of one column; an id may come more than once.
 */
export function lockedSessions(schema: string, ids: string, strength: LockStrength): string {
  return `select s.*
  from (select distinct id from (${ids}) as wanted_id(id) order by id) one
  cross join lateral (select * from ${schema}.sessions where id = one.id for ${strength}) s`
}

/** Whether a statement waits for the rows of sessions that others have, or passes them by. */
export interface Patience {
  readonly waits: boolean
}

/** Of a session that stays, or of one that may end. */
type RowLock = 'no key update' | 'update'

/** `skip locked` leaves out those that others have. */
export type LockStrength = RowLock | `${RowLock} skip locked`
