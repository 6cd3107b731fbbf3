import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import {
  migrationNames,
  parseMigration,
  readMigrationFiles,
} from '../../../src/database/migrations/migration-file.ts'
import { migration, migrationFolder, THREE_MIGRATIONS } from '../../support/migration-folder.ts'

t.test('Only SQL files are migrations, in the order of their numbers', async t => {
  const folder = await migrationFolder(t, {
    ...THREE_MIGRATIONS,
    'README.md': '# not one',
    '0001_create-things.d.ts': '',
    '0002_fill-things.sql.map': '',
    '0003_index-things.sql~': '',
    '.0004_editor.sql': '',
  })
  t.same(await migrationNames(folder), ['0001_create-things', '0002_fill-things', '0003_index-things'])
})

for (const name of [
  '1_short.sql',
  '0004-hyphen.sql',
  '0004_Upper.sql',
  '0004_up.up.sql',
  'create.sql',
  '0004_x.SQL',
]) {
  t.test(`A migration named ${name} is refused, not left out in silence`, async t => {
    const folder = await migrationFolder(t, { ...THREE_MIGRATIONS, [name]: migration('', '') })
    await t.rejects(migrationNames(folder), { name: 'MigrationError', message: new RegExp(name) })
  })
}

t.test('Two files with one number are refused', async t => {
  const folder = await migrationFolder(t, { ...THREE_MIGRATIONS, '0002_other.sql': migration('', '') })
  await t.rejects(migrationNames(folder), { message: /0002_fill-things\.sql and 0002_other\.sql/ })
})

t.test('A folder that is not there is named', async t => {
  await t.rejects(migrationNames('/nowhere/at/all'), { name: 'MigrationError', message: /nowhere/ })
})

t.test('A file is cut into its two sections, with the lines on which they begin', async t => {
  const file = parseMigration(
    '0001_x',
    '-- why\n\n-- Up Migration\nselect 1;\n\n-- Down Migration\nselect 2;\n',
  )
  t.same(file.up, { sql: '-- Up Migration\nselect 1;', firstLine: 3 })
  t.same(file.down, { sql: '-- Down Migration\nselect 2;', firstLine: 6 })
  t.equal(file.transactional, true)
})

t.test('A file may ask for no transaction, ahead of its sections only', async t => {
  t.equal(parseMigration('0001_x', `-- no transaction\n${migration('', '')}`).transactional, false)
  t.equal(parseMigration('0001_x', migration('-- no transaction', '')).transactional, true)
})

for (const [what, content] of [
  ['no section', 'create table things ();'],
  ['no way down', '-- Up Migration\ncreate table things ();'],
  ['the way down first', '-- Down Migration\n-- Up Migration\n'],
  ['two ways up', '-- Up Migration\n-- Up Migration\n-- Down Migration\n'],
] as const) {
  t.test(`A file with ${what} is refused`, async t => {
    t.throws(() => parseMigration('0001_x', content), { name: 'MigrationError', message: /0001_x/ })
  })
}

t.test('The checksum is of the text, whatever its line endings', async t => {
  const text = migration('select 1;', 'select 2;')
  const { checksum } = parseMigration('0001_x', text)
  t.match(checksum, /^[0-9a-f]{64}$/)
  t.equal(parseMigration('0001_x', text.replaceAll('\n', '\r\n')).checksum, checksum)
  t.equal(parseMigration('0001_x', `\uFEFF${text}`).checksum, checksum)
  t.not(parseMigration('0001_x', text.replace('select 2', 'select 3')).checksum, checksum)
})

t.test('A file that is no migration is named by its path', async t => {
  const folder = await migrationFolder(t, THREE_MIGRATIONS)
  const file = path.join(folder, '0004_half.sql')
  await writeFile(file, '-- Up Migration\n')
  await t.rejects(readMigrationFiles(folder), { message: new RegExp(file) })
})

t.test('The migrations of the repository can be read', async t => {
  const files = await readMigrationFiles()
  t.equal(files[0]?.name, '0001_create-fencing-tokens')
  t.ok(files.every(file => file.name.slice(0, 4) === String(files.indexOf(file) + 1).padStart(4, '0')))
})
