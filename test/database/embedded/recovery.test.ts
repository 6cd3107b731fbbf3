import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { accountForServer, isRoot } from '../../../src/database/embedded/account.ts'
import { EmbeddedPostgres } from '../../../src/database/embedded/embedded-postgres.ts'
import { isZombie } from '../../../src/database/embedded/process-state.ts'
import {
  ask,
  dataFolder,
  EmbeddedProcess,
  type Event,
  killServer,
  serverPid,
  usedFolder,
} from '../../support/embedded.ts'
import { until } from '../../support/until.ts'

t.setTimeout(240_000)

const ON_LINUX = process.platform === 'linux' ? false : 'needs /proc'

t.test('A server that is killed is back on its port, with what was committed', async t => {
  const dataDir = await usedFolder(t)
  const events: Event[] = []
  const embedded = await EmbeddedPostgres.start({ dataDir, onEvent: event => events.push(event) })
  t.teardown(() => embedded.stop())
  await ask(embedded.url, 'create table kept (n int)')
  for (let n = 1; n <= 2; n++) {
    await ask(embedded.url, `insert into kept values (${n})`)
    events.length = 0
    await killServer(dataDir)
    await until('it is restored', () => events.some(({ event }) => event === 'embedded_postgres_restored'))
    t.match(events[0], { event: 'embedded_postgres_lost', signal: 'SIGKILL' })
    t.same(await ask(embedded.url, 'select count(*)::int as n from kept'), [{ n }])
    t.equal(embedded.role, 'owner')
  }
})

t.test('A cut connection is made again and changes nothing', async t => {
  const dataDir = await usedFolder(t)
  const events: Event[] = []
  const embedded = await EmbeddedPostgres.start({ dataDir, onEvent: event => events.push(event) })
  const pid = await serverPid(dataDir)
  await ask(
    embedded.url,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'leasehold embedded'`,
  )
  await until('it is restored', () => events.some(({ event }) => event === 'embedded_postgres_restored'))
  t.equal(embedded.role, 'owner')
  t.equal(await serverPid(dataDir), pid)
  await embedded.stop()
  t.equal(await serverPid(dataDir), undefined)
})

t.test('A stop while the server is being brought back leaves none', async t => {
  const dataDir = await usedFolder(t)
  for (const event of ['embedded_postgres_lost', 'embedded_postgres_restored']) {
    const events: Event[] = []
    const embedded = await EmbeddedPostgres.start({ dataDir, onEvent: event => events.push(event) })
    await killServer(dataDir)
    await until(event, () => events.some(told => told.event === event))
    await embedded.stop()
    t.equal(await serverPid(dataDir), undefined, `stopped at ${event}`)
  }
})

t.test('A stop at any moment of a restart leaves no server', async t => {
  const dataDir = await usedFolder(t)
  for (const delayMs of [250, 280, 340]) {
    const embedded = await EmbeddedPostgres.start({ dataDir })
    await killServer(dataDir)
    await new Promise(resolve => setTimeout(resolve, delayMs))
    await embedded.stop()
    t.equal(await serverPid(dataDir), undefined, `stopped ${delayMs} ms after the kill`)
  }
})

t.test('A start after both the service and its server were killed finds what was committed', async t => {
  const dataDir = await usedFolder(t)
  for (let round = 1; round <= 2; round++) {
    const service = new EmbeddedProcess(t, dataDir)
    const { url, role } = await service.outcome()
    t.equal(role, 'owner')
    if (round === 1) await ask(String(url), 'create table kept (n int)')
    await ask(String(url), `insert into kept values (${round})`)
    t.same(await ask(String(url), 'select count(*)::int as n from kept'), [{ n: round }])
    const pid = await serverPid(dataDir)
    if (pid === undefined) throw new Error('no server')
    // The server first and nothing in between, so that its backends are still on their way out.
    process.kill(pid, 'SIGKILL')
    await service.kill()
  }
  const last = new EmbeddedProcess(t, dataDir)
  t.match(await last.outcome(), { role: 'owner' })
  await last.stop()
})

t.test('A lock file whose process is a zombie does not block a start', { skip: ON_LINUX }, async t => {
  const dataDir = await usedFolder(t)
  // The shell becomes a program that never asks how its child ended. The child waits for that, since the shell
  // itself would ask.
  const becomesZombie = 'until grep -q sleep /proc/$$/comm; do :; done & echo $!; exec sleep 300'
  const child = spawn('/bin/sh', ['-c', becomesZombie], {
    ...(await serverUser(dataDir)),
  })
  t.teardown(() => void child.kill('SIGKILL'))
  const pid = Number(await firstLine(child))
  await until('it is a zombie', () => isZombie(pid))
  await leaveLockFile(dataDir, pid)
  await starts(t, dataDir)
})

t.test(
  'A lock file whose process id went to another program does not block a start',
  { skip: ON_LINUX },
  async t => {
    const dataDir = await usedFolder(t)
    const child = spawn('sleep', ['300'], { cwd: '/', ...(await serverUser(dataDir)) })
    t.teardown(() => void child.kill('SIGKILL'))
    await leaveLockFile(dataDir, child.pid ?? 0)
    await starts(t, dataDir)
    t.equal(child.exitCode, null, 'the other program is left alone')
    t.equal(child.signalCode, null)
  },
)

t.test('An empty lock file, left by a crash, does not block a start', async t => {
  const dataDir = await usedFolder(t)
  await writeFile(join(dataDir, 'postgres', 'postmaster.pid'), '')
  await starts(t, dataDir)
})

t.test('A first start that was killed half-way leaves nothing that blocks the next', async t => {
  const dataDir = await dataFolder(t)
  await mkdir(join(dataDir, 'postgres.init-0123456789ab', 'cluster', 'base'), { recursive: true })
  const killed = new EmbeddedProcess(t, dataDir)
  await killed.told('embedded_postgres_initialising')
  await killed.kill()
  await starts(t, dataDir)
})

/** Writes the lock file that a server with this process id would have. */
async function leaveLockFile(dataDir: string, pid: number): Promise<void> {
  const cluster = join(dataDir, 'postgres')
  const lines = [pid, cluster, 1_780_000_000, 15_999, '', '127.0.0.1', '  123456       999', 'ready   ', '']
  await writeFile(join(cluster, 'postmaster.pid'), lines.join('\n'))
}

async function starts(t: Test, dataDir: string): Promise<void> {
  const embedded = await EmbeddedPostgres.start({ dataDir })
  t.equal(embedded.role, 'owner')
  t.same(await ask(embedded.url, 'select 1 as one'), [{ one: 1 }])
  await embedded.stop()
  t.equal(await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').catch(() => 'gone'), 'gone')
}

/** Whom the server runs as: of another user's processes PostgreSQL would know that they are not its own. */
async function serverUser(dataDir: string): Promise<{ uid?: number; gid?: number }> {
  if (!isRoot()) return {}
  const { uid, gid } = await accountForServer(join(dataDir, 'postgres'))
  return { uid, gid }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('no stdout')
    createInterface(child.stdout)
      .once('line', resolve)
      .once('close', () => reject(new Error('no line')))
  })
}
