import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { expire, faults, grantedOne, named, openStores } from '../support/database.ts'
import { scratchDatabase } from '../support/scratch-database.ts'

const COMMAND = fileURLToPath(new URL('../../src/commands/sweep.js', import.meta.url))

function sweep(environment: Readonly<Record<string, string>>) {
  return new Promise<{ exitCode: number | null; stdout: string; stderr: string }>(resolve => {
    const env = { PATH: process.env.PATH, ...environment }
    const child = execFile(process.execPath, [COMMAND], { env }, (_error, stdout, stderr) =>
      resolve({ exitCode: child.exitCode, stdout, stderr }),
    )
  })
}

t.test('The command sweeps everything once and prints the count', async t => {
  const stores = await openStores(t)
  for (const id of ['a', 'b', 'c']) await grantedOne(stores, id, { session: named() })
  await expire(stores)
  const kept = await grantedOne(stores, 'd', { session: named(undefined, null) })
  t.same(await sweep({ DATABASE_URL: stores.url }), {
    exitCode: 0,
    stdout: 'swept 3 expired sessions and 0 tombstones\n',
    stderr: '',
  })
  t.same(await stores.sql('select id from locks'), [{ id: kept.id }], 'what has not expired stays')
  t.same(await faults(stores), [])

  await stores.sql(`update sessions set ended_at = ended_at - interval '2 hours' where ended_at is not null`)
  t.match(await sweep({ DATABASE_URL: stores.url, TOMBSTONE_SECONDS: '7300' }), {
    stdout: 'swept 0 expired sessions and 0 tombstones\n',
  })
  t.match(await sweep({ DATABASE_URL: stores.url }), {
    stdout: 'swept 0 expired sessions and 3 tombstones\n',
  })
})

t.test('A database without the tables is one line and exit code 1', async t => {
  const { url } = await scratchDatabase(t)
  const { exitCode, stdout, stderr } = await sweep({ DATABASE_URL: url })
  t.equal(exitCode, 1)
  t.equal(stdout, '')
  t.match(stderr, /^sweep: [^\n]+\n$/)
})

t.test('A database that cannot be reached is one line and exit code 1', async t => {
  const { exitCode, stderr } = await sweep({ DATABASE_URL: 'postgres://me:a-secret@127.0.0.1:1/nothing' })
  t.equal(exitCode, 1)
  t.match(stderr, /^sweep: the database cannot be reached: [^\n]*ECONNREFUSED[^\n]*\n$/)
  t.notMatch(stderr, /a-secret/)
})

t.test('Bad settings are named, exit code 1', async t => {
  const { exitCode, stderr } = await sweep({ TOMBSTONE_SECONDS: '1', KEY_CACHE_SECONDS: '61' })
  t.equal(exitCode, 1)
  t.match(stderr, /^sweep: the settings are not usable[^\n]*\n {2}TOMBSTONE_SECONDS: .*\n?/)
  t.match(stderr, /\n {2}KEY_CACHE_SECONDS: /)
})
