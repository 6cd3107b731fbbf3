import t from 'tap'
import { prefixEnd } from '../../src/database/prefix-end.ts'
import { openStores } from '../support/database.ts'

const LAST = '\u{10ffff}'
const TEXTS = ['', 'a', 'ab', 'b', 'é', 'a%', 'a_b', '\ud7ff', '\ue000', '\uffff', '\u{10000}', LAST]

t.test('what begins with a prefix lies before its end, and nothing else', async t => {
  t.equal(prefixEnd('a/'), 'a0')
  t.equal(prefixEnd('a\ud7ff'), 'a\ue000', 'no half of a character')
  t.equal(prefixEnd(`a${LAST}`), 'b')
  t.equal(prefixEnd(LAST), undefined)
  t.equal(prefixEnd(''), undefined)
})

t.test('the database orders texts as the end of a prefix expects', async t => {
  const { sql } = await openStores(t)
  const texts = TEXTS.flatMap(one => TEXTS.map(other => one + other))
  for (const prefix of TEXTS.filter(text => text !== '')) {
    const rows = await sql<{ text: string }>(
      `select text from unnest($1::text[]) as text
       where (text collate "C" >= $2 and ($3::text is null or text collate "C" < $3))
         is distinct from starts_with(text, $2)`,
      [texts, prefix, prefixEnd(prefix) ?? null],
    )
    t.same(rows, [], `prefix ${JSON.stringify(prefix)}`)
  }
})
