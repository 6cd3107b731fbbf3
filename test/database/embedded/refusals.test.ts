import { rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { EmbeddedPostgres } from '../../../src/database/embedded/embedded-postgres.ts'
import { dataFolder, serverPid, usedFolder } from '../../support/embedded.ts'

t.setTimeout(240_000)

t.test('What the server refuses is told with the end of its log, and nothing is left running', async t => {
  const dataDir = await usedFolder(t)
  const start = EmbeddedPostgres.start({ dataDir, settings: { shared_buffers: 'plenty' } })
  await t.rejects(start, {
    name: 'EmbeddedPostgresError',
    message:
      /did not start \(exit code 1\).*postgres\.log says:\n.*invalid value for parameter "shared_buffers": "plenty"/s,
  })
  t.equal(await serverPid(dataDir), undefined)
})

t.test(
  'A password that is not the database\u2019s is refused by name, and nothing is left running',
  async t => {
    const dataDir = await usedFolder(t)
    await writeFile(join(dataDir, 'password'), 'another\n')
    await t.rejects(EmbeddedPostgres.start({ dataDir }), { message: /refuses the password in .*password/ })
    t.equal(await serverPid(dataDir), undefined)
  },
)

t.test('A password that is gone is asked for, not made anew', async t => {
  const dataDir = await usedFolder(t)
  await rm(join(dataDir, 'password'))
  await t.rejects(EmbeddedPostgres.start({ dataDir }), { message: /password is missing/ })
})

t.test('A folder of another version of PostgreSQL is refused untouched', async t => {
  const dataDir = await usedFolder(t)
  await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '17\n')
  await t.rejects(EmbeddedPostgres.start({ dataDir }), {
    message: /made by PostgreSQL 17; the embedded one is 18/,
  })
})

t.test('A file where the data folder should be is named', async t => {
  const folder = await dataFolder(t)
  await writeFile(join(folder, 'file'), '')
  await t.rejects(EmbeddedPostgres.start({ dataDir: join(folder, 'file', 'data') }), {
    message: /The data folder .*file.data cannot be made: .*ENOTDIR/,
  })
})

t.test('A port that somebody else listens on is not mistaken for the server', async t => {
  const dataDir = await usedFolder(t)
  const listener = createServer(socket => socket.end()).listen(0, '127.0.0.1')
  t.teardown(() => void listener.close())
  const embedded = await EmbeddedPostgres.start({ dataDir })
  t.equal(embedded.role, 'owner')
  await embedded.stop()
})
