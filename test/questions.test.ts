import t from 'tap'
import { Questions } from '../src/questions.ts'

const LONG_MS = 600_000

t.test('Each question gets its own answer, in whatever order they come', async t => {
  const questions = new Questions<string>()
  const ids: number[] = []
  const first = questions.ask(LONG_MS, id => ids.push(id))
  const second = questions.ask(LONG_MS, id => ids.push(id))
  questions.answer(ids[1] ?? 0, 'two')
  questions.answer(ids[0] ?? 0, 'one')
  t.same(await Promise.all([first, second]), ['one', 'two'])
})

t.test('An answer that comes while the question is sent counts', async t => {
  const questions = new Questions<string>()
  t.equal(await questions.ask(LONG_MS, id => questions.answer(id, 'at once')), 'at once')
})

t.test('Nobody waits longer than said, and a late answer is for nobody', async t => {
  const questions = new Questions<string>()
  let late = 0
  t.equal(
    await questions.ask(1, id => {
      late = id
    }),
    undefined,
  )
  questions.answer(late, 'late')
  t.equal(await questions.ask(LONG_MS, id => questions.answer(id, 'next')), 'next')
})

t.test('Where the other process is gone nobody waits', async t => {
  const questions = new Questions<string>()
  const open = [questions.ask(LONG_MS, () => {}), questions.ask(LONG_MS, () => {})]
  questions.giveUp()
  t.same(await Promise.all(open), [undefined, undefined])
})
