import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { auditText } from '../../src/commands/audit.ts'
import { granted, grantedOne, openStores } from '../support/database.ts'
import { connectedTo, scratchDatabase } from '../support/scratch-database.ts'

const COMMAND = fileURLToPath(new URL('../../src/commands/audit.js', import.meta.url))

function audit(environment: Readonly<Record<string, string>>) {
  return new Promise<{ exitCode: number | null; stdout: string; stderr: string }>(resolve => {
    const env = { PATH: process.env.PATH, ...environment }
    const child = execFile(process.execPath, [COMMAND], { env }, (_error, stdout, stderr) =>
      resolve({ exitCode: child.exitCode, stdout, stderr }),
    )
  })
}

t.test('Where nothing is wrong, the command says what it looked at, and exits 0', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  await granted(stores, 'b')
  await stores.locks.release({ namespace: 'tests', lockId: lock.id, holder: 'alice' })
  const { exitCode, stdout, stderr } = await audit({ DATABASE_URL: stores.url })
  t.match(stdout, /^nothing is wrong: 1 locks, 3 events; the history is complete since 2\d{3}-\S+Z\n$/)
  t.equal(stderr, '')
  t.equal(exitCode, 0)
  await stores.sql('select set_history(false)')
  const off = await audit({ DATABASE_URL: stores.url })
  t.match(off, { exitCode: 0, stdout: 'nothing is wrong: 1 locks, 3 events; the history is switched off\n' })
})

t.test('Faults are a line each, and the command exits 1', async t => {
  const stores = await openStores(t)
  const lock = await grantedOne(stores, 'a')
  const vandal = await connectedTo(t, stores.url, 'leasehold')
  await vandal.query('set session_replication_role = replica; update locks set holder = $$bob$$')
  const { exitCode, stdout, stderr } = await audit({ DATABASE_URL: stores.url })
  const [first, second, last] = stdout.split('\n')
  const where = `thing/a in tests, lock ${lock.id}:`
  t.equal(first, `a lock of another user than its session: ${where} held by bob, session of alice`)
  t.match(second, `a lock that the history does not know: ${where} granted to bob at `)
  t.match(last, /^2 faults: 1 locks, 1 events; /)
  t.equal(stderr, '')
  t.equal(exitCode, 1)
})

t.test('Of very many faults some are shown, and all are counted', t => {
  const fault = {
    fault: 'a fault',
    namespace: null,
    resource_type: null,
    resource_id: null,
    lock_id: null,
    detail: 'x',
  }
  t.equal(
    auditText({ faults: [fault], faultCount: 3, events: 0, locks: 0, completeSince: null }),
    'a fault: x\nand 2 more\n3 faults: 0 locks, 0 events; the history is switched off\n',
  )
  t.end()
})

t.test('A database that cannot be looked at is one line and exit code 2', async t => {
  const { url } = await scratchDatabase(t)
  for (const DATABASE_URL of [url, 'postgres://me:a-secret@127.0.0.1:1/nothing']) {
    const { exitCode, stdout, stderr } = await audit({ DATABASE_URL })
    t.equal(exitCode, 2)
    t.equal(stdout, '')
    t.match(stderr, /^audit: [^\n]+\n$/)
    t.notMatch(stderr, /a-secret/)
  }
})
