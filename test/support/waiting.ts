import type { Stores } from './database.ts'

/** Asks until the query's column `yes` is true, or nobody wants to know. */
export async function untilTrue(
  stores: Pick<Stores, 'sql'>,
  query: string,
  isOver = () => false,
): Promise<void> {
  while (!isOver()) {
    const [row] = await stores.sql<{ yes: boolean }>(query)
    if (row?.yes === true) return
  }
}

/** Waits until that many statements in this database wait for a lock that another transaction holds. */
export function untilWaiting(
  stores: Pick<Stores, 'sql'>,
  count: number,
  isOver = () => false,
): Promise<void> {
  return untilTrue(
    stores,
    `select count(*) >= ${count} as yes from pg_stat_activity
     where datname = current_database() and wait_event_type = 'Lock'`,
    isOver,
  )
}
