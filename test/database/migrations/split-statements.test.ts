import t from 'tap'
import { splitStatements } from '../../../src/database/migrations/split-statements.ts'

t.test('Statements are cut at their semicolons', async t => {
  t.same(splitStatements('select 1; select 2;\n'), ['select 1', 'select 2'])
  t.same(splitStatements('select 1;\nselect 2'), ['select 1', 'select 2'])
  t.same(splitStatements(' ;; -- nothing\n /* at all; */ ; -- here'), [])
})

t.test('Comments ahead of a statement are not a part of it', async t => {
  t.same(splitStatements('-- Up Migration\n\n-- one; two\nselect 1; /* x;\n */ select 2'), [
    'select 1',
    'select 2',
  ])
})

for (const whole of [
  "select 'a;b'",
  "select 'it''s; so'",
  "select e'it\\'s; so'",
  "select 'back\\', 'slash;'",
  'select "a;b"".c;"',
  'select $$a;b$$',
  'do $body$ begin perform $$a;$$; end $body$',
  'select 1 -- a;b\n+ 1',
  "select 1 /* ';' */ + 1",
]) {
  t.test(`No cut inside ${whole.replaceAll('\n', ' ')}`, async t => {
    t.same(splitStatements(`${whole}; select 2`), [whole, 'select 2'])
  })
}
