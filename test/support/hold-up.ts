import type { Stores } from './database.ts'
import { connectedTo, type Teardown } from './scratch-database.ts'

/**
 * From now on a change waits for another's transaction, as long as lock_timeout lets it, until the answered function
 * is called. `change` is such as `insert on locks`, `when` a condition on the row `new`.
 */
export async function holdUp(
  t: Teardown,
  stores: Pick<Stores, 'url' | 'sql'>,
  change: `${'insert' | 'update'} on ${'locks' | 'sessions'}`,
  when: string,
): Promise<() => Promise<void>> {
  const gate = await connectedTo(t, stores.url)
  await gate.query('select pg_advisory_lock(42)')
  await stores.sql(`create or replace function hold_up() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(42);
      return new;
    end $$`)
  await stores.sql(
    `create or replace trigger hold_up before ${change} for each row when (${when}) execute function hold_up()`,
  )
  return async () => {
    await gate.query('select pg_advisory_unlock(42)')
    await stores.sql(`drop trigger hold_up on ${change.split(' on ')[1]}`)
  }
}
