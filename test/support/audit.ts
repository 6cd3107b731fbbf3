import { faults, type Stores } from './database.ts'

interface Test {
  same(found: unknown, wanted: unknown, message: string): boolean
}

/** Asserts that the rows and the history show no broken promise; to be called after every race. */
export async function auditIsEmpty(t: Test, stores: Pick<Stores, 'sql'>): Promise<void> {
  t.same(await faults(stores), [], 'the audit finds nothing')
}
