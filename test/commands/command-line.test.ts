import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const PROGRAMS = {
  start: fileURLToPath(new URL('../../src/main.js', import.meta.url)),
  sweep: fileURLToPath(new URL('../../src/commands/sweep.js', import.meta.url)),
  audit: fileURLToPath(new URL('../../src/commands/audit.js', import.meta.url)),
}

/** Where there is no database, and no service could begin to work. */
function run(program: string, argv: readonly string[], dataDir: string) {
  return new Promise<{ exitCode: number | null; stdout: string; stderr: string }>(resolve => {
    const env = { PATH: process.env.PATH, DATA_DIR: dataDir, DATABASE_URL: '', PORT: '0' }
    const child = execFile(process.execPath, [program, ...argv], { env }, (_error, stdout, stderr) =>
      resolve({ exitCode: child.exitCode, stdout, stderr }),
    )
  })
}

for (const [name, program] of Object.entries(PROGRAMS)) {
  t.test(`${name} explains itself, and does nothing else`, async t => {
    const dataDir = join(t.testdir(), 'none')
    for (const option of ['--help', '-h']) {
      const { exitCode, stdout, stderr } = await run(program, [option], dataDir)
      t.match(stdout, new RegExp(`^usage: npm (run )?${name}\n`))
      t.equal(stderr, '')
      t.equal(exitCode, 0)
    }
    t.notOk(existsSync(dataDir))
  })

  t.test(`${name} refuses what it does not know, and does nothing else`, async t => {
    const dataDir = join(t.testdir(), 'none')
    const { exitCode, stdout, stderr } = await run(program, ['--port', '9000'], dataDir)
    t.match(stderr, new RegExp(`^${name}: cannot do "--port 9000"\n\nusage: npm (run )?${name}\n`))
    t.equal(stdout, '')
    t.equal(exitCode, 2)
    t.notOk(existsSync(dataDir))
  })
}

for (const name of ['sweep', 'audit'] as const) {
  t.test(`${name} makes no database to look at`, async t => {
    const dataDir = join(t.testdir(), 'none')
    const { exitCode, stdout, stderr } = await run(PROGRAMS[name], [], dataDir)
    t.match(
      stderr,
      new RegExp(`^${name}: there is no embedded database in \\S+; set DATABASE_URL, or DATA_DIR\n$`),
    )
    t.equal(stdout, '')
    t.not(exitCode, 0)
    t.notOk(existsSync(dataDir))
  })
}
