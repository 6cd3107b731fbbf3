import { execPath } from 'node:process'
import t from 'tap'
import { Cleanup } from '../../bench/cleanup.ts'
import { cpuSecondsOf, parseProcessStat } from '../../bench/cpu.ts'
import { Program } from '../../bench/program.ts'

const BUSY_300_MS = 'const end = performance.now() + 300; while (performance.now() < end);'
const HAS_PROC = process.platform === 'linux'

t.test('the CPU time of a process is read, whatever its name is', async t => {
  const line = '42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 25 5 20 0 1 0 9 10 11'
  t.same(parseProcessStat(line), { parent: 7, cpuSeconds: 1.8 })
})

t.test('the CPU time of descendants counts, also of those that have ended', { skip: !HAS_PROC }, async t => {
  const cleanup = new Cleanup()
  t.teardown(() => cleanup.run())
  const parent = `require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(BUSY_300_MS)}])
    console.log('done')
    setInterval(() => {}, 1e6)`
  const program = await Program.start(
    { name: 'a parent', file: execPath, args: ['-e', parent], folder: '/' },
    cleanup,
  )
  await program.ready(() => program.output.includes('done') || undefined)
  const seconds = cpuSecondsOf([program.pid]) ?? 0
  t.ok(seconds >= 0.2, `${seconds} s`)
})

t.test('processes that are not there have no CPU time', async t => {
  t.equal(cpuSecondsOf([]), undefined)
  t.equal(cpuSecondsOf([2 ** 30]), undefined)
})

t.test('what was made last is removed first, and what fails keeps nothing from being removed', async t => {
  const done: string[] = []
  const cleanup = new Cleanup()
  const add = (name: string, fails = false) =>
    cleanup.add(
      name,
      () => {
        done.push(name)
        if (fails) throw new Error('no')
      },
      () => done.push(`${name} at once`),
    )
  add('folder')
  add('server', true)
  add('client')
  cleanup.runAtOnce()
  t.same(done.splice(0), ['client at once', 'server at once', 'folder at once'])
  t.same(await cleanup.run(), ['server: no'])
  t.same(done.splice(0), ['client', 'server', 'folder'])
  t.same(await cleanup.run(), [])
  t.same(done, [])
})

t.test('a program that ends before it is ready says why', async t => {
  const cleanup = new Cleanup()
  t.teardown(() => cleanup.run())
  const program = await Program.start(
    { name: 'it', file: execPath, args: ['-e', 'console.error("because"); process.exit(3)'], folder: '/' },
    cleanup,
  )
  await t.rejects(
    program.ready(() => undefined),
    /it was not ready \(exit code 3\):\s+because/,
  )
})
