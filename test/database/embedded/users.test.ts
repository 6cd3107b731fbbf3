import { chmod, chown, cp, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { accountForServer, firstBarrier, parsePasswd } from '../../../src/database/embedded/account.ts'
import { findBinaries, packageFor } from '../../../src/database/embedded/binaries.ts'
import { chooseLauncher } from '../../../src/database/embedded/launcher.ts'
import { runProgram } from '../../../src/database/embedded/program.ts'
import { ask, dataFolder, EmbeddedProcess, NEEDS_ROOT, serverPid } from '../../support/embedded.ts'

t.setTimeout(240_000)

const BUILD = fileURLToPath(new URL('../../..', import.meta.url))
const accounts = parsePasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''))
const nobody = accounts.find(({ name }) => name === 'nobody') ?? { name: 'nobody', uid: -1, gid: -1 }
const reachable = nobody.uid > 0 && (await firstBarrier(nobody, BUILD)) === undefined
const NEEDS_NOBODY = NEEDS_ROOT || (reachable ? false : 'the user nobody cannot reach this project')

t.test(
  'Under root the server runs as another user, who gets its own folder only',
  { skip: NEEDS_ROOT },
  async t => {
    const dataDir = await dataFolder(t)
    const service = new EmbeddedProcess(t, dataDir)
    t.match(await service.outcome(), { event: 'started' })
    const account = await accountForServer(join(dataDir, 'postgres'))
    t.not(account.uid, 0)
    t.equal((await stat(`/proc/${await serverPid(dataDir)}`)).uid, account.uid)
    t.equal((await stat(join(dataDir, 'postgres'))).uid, account.uid)
    for (const path of [dataDir, join(dataDir, 'password'), join(dataDir, 'url')]) {
      t.equal((await stat(path)).uid, 0, path)
    }
    await service.stop()
  },
)

t.test(
  'A data folder below one that is closed to the server works, and stays closed',
  { skip: NEEDS_ROOT },
  async t => {
    const closed = await dataFolder(t, 0o700)
    const dataDir = join(closed, 'project', '.data')
    await restarts(t, dataDir)
    t.equal((await stat(closed)).mode & 0o777, 0o700)
  },
)

t.test(
  'A data folder that is itself closed to the server works, and stays closed',
  { skip: NEEDS_ROOT },
  async t => {
    const dataDir = await dataFolder(t, 0o700)
    await restarts(t, dataDir)
    t.equal((await stat(dataDir)).mode & 0o777, 0o700)
  },
)

t.test('A whole project in a closed folder works: binaries and data', { skip: NEEDS_ROOT }, async t => {
  const closed = await dataFolder(t, 0o700)
  const before = await readdir('/tmp')
  const program = await copyProject(closed)
  const dataDir = join(closed, '.data')
  const direct = new EmbeddedProcess(t, dataDir, { program })
  t.match(await direct.outcome(), { event: 'started', role: 'owner' })
  const command = await runProgram('cat', [`/proc/${await serverPid(dataDir)}/cmdline`], { timeoutMs: 5000 })
  t.match(command.stdout, './postgres', 'the copied binaries are the ones that run')
  t.not((await stat(`/proc/${await serverPid(dataDir)}`)).uid, 0)
  await direct.stop()
  await restarts(t, dataDir, program)
  t.equal((await stat(closed)).mode & 0o777, 0o700)
  const left = (await readdir('/tmp')).filter(
    name => name.startsWith('leasehold-initdb-') && !before.includes(name),
  )
  t.same(left, [], 'the copy for initdb is gone')
})

t.test(
  'Without a way past a closed folder, one message names it and the ways out',
  { skip: NEEDS_ROOT },
  async t => {
    const closed = await dataFolder(t, 0o700)
    const dataDir = join(closed, '.data')
    await mkdir(dataDir, { mode: 0o755 })
    const path = process.env.PATH
    t.teardown(() => {
      process.env.PATH = path
    })
    process.env.PATH = '/nonexistent'
    const refusal = chooseLauncher(await findBinaries(), dataDir, join(dataDir, 'postgres'))
    await t.rejects(refusal, {
      name: 'EmbeddedPostgresError',
      message: new RegExp(
        `may not pass the folder ${closed} on the way to ${dataDir}.*setpriv.*chmod.*DATABASE_URL`,
      ),
    })
  },
)

t.test('Without root the server runs as the user itself', { skip: NEEDS_NOBODY }, async t => {
  const dataDir = await dataFolder(t)
  await chown(dataDir, nobody.uid, nobody.gid)
  const service = new EmbeddedProcess(t, dataDir, { uid: nobody.uid, gid: nobody.gid })
  t.match(await service.outcome(), { event: 'started', role: 'owner' })
  t.equal((await stat(`/proc/${await serverPid(dataDir)}`)).uid, nobody.uid)
  await service.kill()

  const root = new EmbeddedProcess(t, dataDir)
  t.match(await root.outcome(), { event: 'started', role: 'owner' }, 'root runs it as whom it belongs to')
  t.equal((await stat(`/proc/${await serverPid(dataDir)}`)).uid, nobody.uid)
  await root.stop()

  const again = new EmbeddedProcess(t, dataDir, { uid: nobody.uid, gid: nobody.gid })
  t.match(await again.outcome(), { event: 'started' }, 'and takes nothing away from that user')
  await again.stop()
})

t.test(
  'A data folder of another user is refused with a message that says whose it is',
  { skip: NEEDS_NOBODY },
  async t => {
    const dataDir = await dataFolder(t)
    const owner = new EmbeddedProcess(t, dataDir)
    await owner.outcome()
    await owner.stop()
    const stranger = new EmbeddedProcess(t, dataDir, { uid: nobody.uid, gid: nobody.gid })
    t.match(await stranger.outcome(), { event: 'refused', message: /belongs to another user.*DATA_DIR/ })
    await chmod(dataDir, 0o755)
    await chown(join(dataDir, 'password'), nobody.uid, nobody.gid)
    const second = new EmbeddedProcess(t, dataDir, { uid: nobody.uid, gid: nobody.gid })
    t.match(await second.outcome(), { event: 'refused', message: /postgres belongs to .*DATA_DIR/ })
  },
)

t.test(
  'The user of the server is the one of its folder, else postgres, else nobody',
  { skip: NEEDS_ROOT },
  async t => {
    const folder = await dataFolder(t)
    const known = accounts.filter(({ name }) => name === 'postgres' || name === 'nobody')
    const account = await accountForServer(join(folder, 'postgres'))
    t.same(
      account,
      known.find(({ name }) => name === 'postgres') ?? known.find(({ name }) => name === 'nobody'),
    )
    await chown(folder, 54_321, 54_321)
    t.match(await accountForServer(folder), { uid: 54_321, gid: 54_321 })
  },
)

async function restarts(t: Test, dataDir: string, program?: string): Promise<void> {
  for (const round of [1, 2]) {
    const service = new EmbeddedProcess(t, dataDir, program === undefined ? {} : { program })
    const { event, url, message } = await service.outcome()
    t.equal(event, 'started', String(message ?? `start ${round}`))
    t.same(await ask(String(url), `select 'ä' = U&'\\00E4' as same`), [{ same: true }])
    t.equal(await service.stop(), 0)
    t.equal(await serverPid(dataDir), undefined)
  }
}

/** Copies what a start needs - our code and the binaries - and links the rest. */
async function copyProject(folder: string): Promise<string> {
  const require = createRequire(import.meta.url)
  const binaries = packageFor(process.platform, process.arch)
  const { home } = await findBinaries()
  await cp(dirname(home), join(folder, 'node_modules', binaries), { recursive: true, verbatimSymlinks: true })
  const modules = dirname(dirname(require.resolve('pg/package.json')))
  await symlink(join(modules, 'pg'), join(folder, 'node_modules', 'pg'))
  await writeFile(join(folder, 'package.json'), '{"type": "module"}')
  for (const part of ['src/database/embedded', 'test/support/embedded-process.js']) {
    await cp(join(BUILD, part), join(folder, 'build', part), { recursive: true })
  }
  return join(folder, 'build', 'test', 'support', 'embedded-process.js')
}
