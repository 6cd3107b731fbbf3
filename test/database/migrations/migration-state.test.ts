import t from 'tap'
import { compareMigrations, verdict } from '../../../src/database/migrations/migration-state.ts'

const appliedAt = new Date('2026-01-02T03:04:05Z')
const applied = (...names: string[]) => names.map(name => ({ name, checksum: 'as it was', appliedAt }))
const files = (...names: string[]) => names.map(name => ({ name, checksum: 'as it was' }))

function states(...[have, done]: Parameters<typeof compareMigrations>): string {
  return compareMigrations(have, done)
    .map(({ name, state }) => `${name} ${state}`)
    .join(', ')
}

t.test('What is applied as it stands is up to date', async t => {
  const statuses = compareMigrations(files('1', '2'), applied('1', '2'))
  t.same(statuses, [
    { name: '1', state: 'applied', appliedAt },
    { name: '2', state: 'applied', appliedAt },
  ])
  t.equal(verdict(statuses), 'up_to_date')
})

t.test('What comes after the newest applied one is pending', async t => {
  t.equal(states(files('1', '2', '3'), applied('1')), '1 applied, 2 pending, 3 pending')
  t.equal(states(files('1'), []), '1 pending')
  t.equal(verdict(compareMigrations(files('1', '2'), applied('1'))), 'pending')
})

t.test('What is pending before an applied one is out of order, which outweighs pending', async t => {
  t.equal(states(files('1', '2', '3'), applied('2')), '1 out_of_order, 2 applied, 3 pending')
  t.equal(verdict(compareMigrations(files('1', '2', '3'), applied('2'))), 'broken')
  t.equal(states(files('1', '2'), applied('1', '3')), '1 applied, 2 out_of_order, 3 unknown')
})

t.test('A file that is not as it was applied is changed, which outweighs pending', async t => {
  const edited = [{ name: '1', checksum: 'edited' }, ...files('2')]
  t.equal(states(edited, applied('1')), '1 changed, 2 pending')
  t.equal(verdict(compareMigrations(edited, applied('1'))), 'broken')
})

t.test('What a newer version applied is unknown and no fault', async t => {
  t.equal(states(files('1'), applied('1', '2')), '1 applied, 2 unknown')
  t.equal(verdict(compareMigrations(files('1'), applied('1', '2'))), 'up_to_date')
})

t.test('An applied migration whose file is gone while later files are here is missing', async t => {
  t.equal(states(files('1', '3'), applied('1', '2', '3')), '1 applied, 2 missing, 3 applied')
  t.equal(verdict(compareMigrations(files('1', '3'), applied('1', '2', '3'))), 'broken')
  t.equal(
    states(files('1', '2-renamed', '3'), applied('1', '2', '3')),
    '1 applied, 2 missing, 2-renamed out_of_order, 3 applied',
  )
})
