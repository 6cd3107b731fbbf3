import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parsePostmaster, removeStaleFile } from '../../../src/database/embedded/postmaster-file.ts'
import { refusalIn } from '../../../src/database/embedded/server-process.ts'

async function folderWith(t: Test, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-postmaster-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'postmaster.pid'), text)
  return folder
}

t.test('A lock file tells the process, its port and whether it is ready', async t => {
  const lines = [
    '4711',
    '/data/postgres',
    '1780000000',
    '15432',
    '',
    '127.0.0.1',
    ' 123456  7',
    'starting',
    '',
  ]
  t.same(parsePostmaster(lines.join('\n')), { pid: 4711, port: 15_432, ready: false })
  t.same(parsePostmaster(lines.join('\n').replace('starting', 'ready   ')), {
    pid: 4711,
    port: 15_432,
    ready: true,
  })
})

t.test('A lock file that is being written is no server yet', async t => {
  t.equal(parsePostmaster(''), undefined)
  t.same(parsePostmaster('4711\n/data/postgres\n'), { pid: 4711, port: 0, ready: false })
})

t.test('A stale lock file is removed', async t => {
  const folder = await folderWith(t, 'stale')
  await removeStaleFile(folder, 'stale')
  t.same(await readdir(folder), [])
  await removeStaleFile(folder, 'stale')
})

t.test('A lock file that a new server wrote meanwhile is kept', async t => {
  const folder = await folderWith(t, 'new')
  await removeStaleFile(folder, 'stale')
  t.equal(await readFile(join(folder, 'postmaster.pid'), 'utf8'), 'new')
  t.same(await readdir(folder), ['postmaster.pid'])
})

t.test('Why a server refused to start is read from its own lines of the log', async t => {
  const line = (pid: number, text: string) => `2026-01-06 15:13:11.123 UTC [${pid}] FATAL:  ${text}`
  t.equal(refusalIn(line(7, 'lock file "postmaster.pid" already exists'), 7), 'folder-in-use')
  t.equal(
    refusalIn(line(7, 'pre-existing shared memory block (key 1, ID 2) is still in use'), 7),
    'memory-in-use',
  )
  const taken = [
    line(7, 'could not bind IPv4 address "127.0.0.1": Address already in use'),
    line(7, 'could not create any TCP/IP sockets'),
  ]
  t.equal(refusalIn(taken.join('\n'), 7), 'port-taken')
  t.equal(refusalIn(taken.join('\n'), 8), 'other', 'the lines of another server')
  t.equal(refusalIn('', 7), 'other')
})
