/**
 * The two rules of every statement that judges or prolongs a lease, in one place. Both expect the rows of the
 * sessions to be locked by a materialized CTE, here called `present`.
 */

/**
 * A clock that is read after the wait for the row locks: it cannot be evaluated before all of `rows` are there. A
 * clock read earlier would let a session through that ran out during the wait.
 */
export function clockAfter(rows: string): string {
  return `select clock_timestamp() as t from (select count(*) from ${rows}) after_the_wait`
}

/**
 * What a touch writes to session `s`. `greatest` keeps it from ever shortening a lease, and the last touch from
 * going back where the server's clock does. `s` is the row as `present` has locked it: an update goes on to the newest
 * version of a row, and nobody else can have made a newer one since.
 */
export const TOUCH = `last_touch = greatest(s.last_touch, clock.t),
    expires_at = greatest(s.expires_at, coalesce(clock.t + s.ttl, 'infinity'))`
