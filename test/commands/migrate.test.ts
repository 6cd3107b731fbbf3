import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runMigrate } from '../../src/commands/migrate.ts'
import { migration, migrationFolder, THREE_MIGRATIONS } from '../support/migration-folder.ts'
import { scratchDatabase, scratchSchema, type Teardown } from '../support/scratch-database.ts'

const COMMAND = fileURLToPath(new URL('../../src/commands/migrate.js', import.meta.url))

const { url } = await scratchDatabase(t)

async function start(t: Teardown) {
  const schema = scratchSchema()
  const directory = await migrationFolder(t, THREE_MIGRATIONS)
  const run = async (...argv: readonly string[]) => {
    let result = ''
    let remark = ''
    const exitCode = await runMigrate(argv, task => task({ url, schema, directory }), {
      result: text => {
        result += text
      },
      remark: text => {
        remark += text
      },
    })
    return { exitCode, result, remark }
  }
  return { directory, run }
}

/** The command as a process of its own, on the migrations of the repository. */
function asProcess(environment: Readonly<Record<string, string>>, ...argv: readonly string[]) {
  return new Promise<{ exitCode: number; stdout: string; stderr: string }>((resolve, reject) => {
    const env = { PATH: process.env.PATH, ...environment }
    const child = execFile(process.execPath, [COMMAND, ...argv], { env }, (_error, stdout, stderr) => {
      if (child.exitCode === null) reject(new Error(`the command did not exit by itself: ${stderr}`))
      else resolve({ exitCode: child.exitCode, stdout, stderr })
    })
  })
}

t.test('Check exits 3 while a migration is pending, and 0 after up', async t => {
  const { run } = await start(t)
  const before = await run('check')
  t.equal(before.exitCode, 3)
  t.match(before.result, /0001_create-things is pending\n.*\n.*\nrun "npm run migrate -- up"/)
  t.match(await run('up'), {
    exitCode: 0,
    result: 'applied 3 migrations\n',
    remark: /applied 0001_create-things in/,
  })
  t.match(await run('check'), { exitCode: 0, result: 'up to date\n' })
  t.match(await run('up'), { exitCode: 0, result: 'nothing to apply\n' })
})

t.test('Check exits 4 where an applied file was changed, even if another is pending', async t => {
  const { run, directory } = await start(t)
  await run('up')
  await run('down')
  await writeFile(path.join(directory, '0001_create-things.sql'), migration('select 1;', ''))
  const { exitCode, result } = await run('check')
  t.equal(exitCode, 4)
  t.match(result, /0001_create-things was changed after it was applied\n0003_index-things is pending\n/)
  t.match(await run('up'), {
    exitCode: 1,
    remark: /^migrate: nothing was applied: 0001_create-things was changed.*\n$/,
  })
})

t.test('Check exits 4 where a migration is pending before an applied one', async t => {
  const { run, directory } = await start(t)
  await run('up')
  await writeFile(path.join(directory, '0000_late.sql'), migration('', ''))
  t.match(await run('check'), {
    exitCode: 4,
    result: /0000_late is pending though a later migration is applied/,
  })
})

t.test('Check exits 0 on a schema that a newer version has migrated', async t => {
  const { run, directory } = await start(t)
  await run('up')
  await writeFile(path.join(directory, '0004_more.sql'), migration('', ''))
  await run('up')
  await rm(path.join(directory, '0004_more.sql'))
  t.match(await run('check'), { exitCode: 0, result: /0004_more was applied by a newer version\nup to date/ })
})

t.test('Down takes back one, a number or all', async t => {
  const { run } = await start(t)
  await run('up')
  t.match(await run('down'), { exitCode: 0, result: 'took back 1 migration\n' })
  t.match(await run('down', '1'), { exitCode: 0, result: 'took back 1 migration\n' })
  await run('up')
  t.match(await run('down', 'all'), { exitCode: 0, result: 'took back 3 migrations\n' })
  t.match(await run('down'), { exitCode: 0, result: 'nothing to take back\n' })
})

t.test('Redo names what it did again', async t => {
  const { run } = await start(t)
  await run('up')
  t.match(await run('redo'), { exitCode: 0, result: 'applied 0003_index-things again\n' })
})

t.test('Status is a table for people and JSON for programs', async t => {
  const { run } = await start(t)
  await run('up')
  await run('down')
  const table = (await run('status')).result.split('\n')
  t.equal(table[0], 'migration           state    applied at')
  t.match(table[1], /^0001_create-things {2}applied {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/)
  t.equal(table[3], '0003_index-things   pending  -')
  const json: unknown = JSON.parse((await run('status', '--json')).result)
  t.match(json, [
    { name: '0001_create-things', state: 'applied', applied_at: /^\d{4}-\d\d-\d\dT.*Z$/ },
    { name: '0002_fill-things', state: 'applied' },
    { name: '0003_index-things', state: 'pending', applied_at: null },
  ])
})

t.test('Plan prints SQL and changes nothing', async t => {
  const { run } = await start(t)
  t.match(await run('plan'), { exitCode: 0, result: /create table things/ })
  t.match(await run('check'), { exitCode: 3 })
  await run('up')
  t.match(await run('plan'), { exitCode: 0, result: '-- nothing to apply\n' })
})

for (const argv of [
  [],
  ['sideways'],
  ['up', '2'],
  ['down', '0'],
  ['down', '-1'],
  ['down', '1.5'],
  ['down', '1', '2'],
  ['check', '--json'],
  ['up', '--force'],
]) {
  t.test(`"${argv.join(' ')}" is wrong usage, and the database is not touched`, async t => {
    let remark = ''
    const exitCode = await runMigrate(argv, () => Promise.reject(new Error('touched')), {
      result: () => {},
      remark: text => {
        remark += text
      },
    })
    t.equal(exitCode, 2)
    t.match(remark, /^migrate: .*\n\nusage: npm run migrate -- <command>/)
  })
}

t.test('Help is no failure', async t => {
  const { run } = await start(t)
  t.match(await run('--help'), { exitCode: 0, result: /^usage: npm run migrate/, remark: '' })
})

t.test('Two processes that migrate at once both succeed, and each migration is applied once', async t => {
  const environment = { DATABASE_URL: url, DATABASE_SCHEMA: scratchSchema() }
  const runs = await Promise.all([asProcess(environment, 'up'), asProcess(environment, 'up')])
  t.same(
    runs.map(({ exitCode }) => exitCode),
    [0, 0],
  )
  const said = runs.map(({ stdout }) => stdout).sort()
  t.match(said, [/^applied \d+ migrations\n$/, 'nothing to apply\n'])
  t.match(await asProcess(environment, 'check'), { exitCode: 0, stdout: 'up to date\n', stderr: '' })
})

t.test('A database that cannot be reached is one message and exit code 1', async t => {
  const environment = { DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/nothing' }
  const { exitCode, stderr } = await asProcess(environment, 'check')
  t.equal(exitCode, 1)
  t.match(stderr, /^migrate: cannot connect to database "nothing" on 127\.0\.0\.1:1: [^\n]*\n$/)
})

t.test('The schema is that of DATABASE_SCHEMA', async t => {
  t.match(await asProcess({ DATABASE_URL: url, DATABASE_SCHEMA: 'rooms' }, 'up'), { exitCode: 0 })
  t.match(await asProcess({ DATABASE_URL: url, DATABASE_SCHEMA: 'rooms' }, 'check'), { exitCode: 0 })
  t.match(await asProcess({ DATABASE_URL: url }, 'check'), { exitCode: 3 })
})
