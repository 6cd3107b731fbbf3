import { readFile } from 'node:fs/promises'
import t from 'tap'
import { readAnswer } from '../../faults/clients/answers.ts'
import { ProtectedLists } from '../../faults/clients/protected-lists.ts'
import { replaced } from '../../faults/controls/mutant-build.ts'
import { CONTROLS } from '../../faults/controls/run-controls.ts'
import { ALL_FAULTS } from '../../faults/nemesis/nemesis.ts'
import { readOptions, UsageError } from '../../faults/options.ts'
import { parseChange } from '../../faults/servers/lock-log.ts'

t.test('what the database logged of a lock is read', async t => {
  const grant = ` INSERT: id[bigint]:12 namespace[text]:'round-1' resource_type[text]:'item' resource_id[text]:'k7' session_id[uuid]:'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11' fencing_token[bigint]:1099511627777 holder[text]:'user-1' lock_time[timestamp with time zone]:'2026-01-06 15:13:11+00' reference[text]:'34' metadata[jsonb]:'{}'`
  t.same(parseChange(grant), {
    log: 'grant',
    lock: '12',
    namespace: 'round-1',
    key: 7,
    token: 1_099_511_627_777,
    session: 'b1f1a4c0-6d9b-4f0e-9a53-0d6d3f0f6a11',
    by: 34,
  })
  t.same(parseChange(' DELETE: id[bigint]:12'), { log: 'end', lock: '12' })
  t.equal(parseChange(' TRUNCATE: (no-flags)'), undefined)
})

t.test('answers are told apart: done, refused, unchanged, unknown', async t => {
  const problem = (status: number, body: object) => readAnswer({ status, body: JSON.stringify(body) })
  t.equal(readAnswer({ status: 204, body: '' }).outcome, 'ok')
  t.equal(problem(404, { code: 'lock_not_found' }).outcome, 'refused')
  t.equal(problem(503, { code: 'database_unavailable', outcome: 'unchanged' }).outcome, 'unchanged')
  t.equal(problem(503, { code: 'database_unavailable', outcome: 'unknown' }).outcome, 'unknown')
  t.equal(problem(503, { code: 'resource_contended' }).outcome, 'unchanged')
  t.equal(problem(500, { code: 'internal' }).outcome, 'unknown')
})

t.test('a list without a fence loses the update of who was paused, one with a fence does not', async t => {
  const lists = new ProtectedLists()
  const paused = lists.read(0, 1)
  const next = lists.read(0, 2)
  lists.write(0, 2, next)
  lists.write(0, 1, paused)
  t.equal(lists.unfencedLost, 1)
  t.equal(lists.fencedLost, 0)
  t.equal(lists.fencedOff, 1)
})

t.test('every text that a control replaces is in the compiled service', async t => {
  for (const { name, replacements = [] } of CONTROLS) {
    for (const { file, from, to } of replacements) {
      const text = await readFile(new URL(`../../src/${file}`, import.meta.url), 'utf8')
      t.doesNotThrow(() => replaced(text, from, to, file), `${name}: ${file}`)
    }
  }
  t.throws(() => replaced('abc', 'x', 'y', 'some.js'), /some\.js has no longer/)
})

t.test('every control makes faults that there are', async t => {
  const known = new Set(ALL_FAULTS.flatMap(({ kind, lane }) => [kind, lane as string]))
  for (const { name, faults } of CONTROLS) {
    t.same(
      faults.filter(fault => !known.has(fault)),
      [],
      name,
    )
  }
})

t.test('options have defaults, and wrong ones are named', async t => {
  t.match(readOptions([]), { minutes: 3, topology: 'both', postgres: 'embedded', faults: undefined })
  t.same(readOptions(['--faults', 'none']).faults, [])
  t.same(readOptions(['--set', 'BATCH_SIZE=1']).serviceSettings, { BATCH_SIZE: '1' })
  t.throws(() => readOptions(['--minutes', 'x']), UsageError)
  t.throws(() => readOptions(['--topology', 'ring']), UsageError)
})
