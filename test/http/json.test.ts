import fc from 'fast-check'
import t from 'tap'
import { MAX_DEPTH, MAX_VALUES, parseJson } from '../../src/http/json.ts'
import { diagnoseJson } from '../../src/http/json-diagnosis.ts'
import { Refusal } from '../../src/locks/errors.ts'

/** The place and the words of a refusal; undefined where the text was accepted. */
function faultOf(text: string | Buffer): string | undefined {
  try {
    parseJson(Buffer.from(text))
    return undefined
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return error.fields.map(({ field, message }) => `${field}: ${message}`).join('; ')
  }
}

t.test('what JSON.parse makes of a proper text comes out', async t => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), text => {
      const fault = faultOf(text)
      if (fault === undefined) t.same(parseJson(Buffer.from(text)), JSON.parse(text))
      else if (!/__proto__|2\^53|smaller than|more than once|cannot be stored/.test(fault))
        throw new Error(fault)
    }),
    { numRuns: 2000 },
  )
})

t.test('a text is refused if JSON.parse refuses it, and the diagnosis finds a place in it', async t => {
  const damaged = fc
    .tuple(
      fc.json({ maxDepth: 4 }),
      fc.nat(),
      fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', '1', 'x', ' '),
    )
    .map(([text, at, piece]) => {
      const index = at % (text.length + 1)
      return text.slice(0, index) + piece + text.slice(index + 1)
    })
  let refused = 0
  fc.assert(
    fc.property(damaged, text => {
      let isJson = true
      try {
        JSON.parse(text)
      } catch {
        isJson = false
      }
      if (isJson) return
      refused += 1
      if (!faultOf(text)?.includes(text === '' ? 'is empty' : 'is not JSON'))
        throw new Error(`accepted ${text}`)
      const { line, column } = diagnoseJson(text)
      const lines = text.split('\n')
      if (line > lines.length || column > (lines[line - 1] ?? '').length + 1)
        throw new Error(`nowhere in ${text}`)
    }),
    { numRuns: 3000 },
  )
  t.ok(refused > 500, `${refused} texts were refused`)
})

const REFUSED: readonly (readonly [string, string | Buffer, string])[] = [
  ['an empty body', '', 'body: is empty; a JSON object is needed'],
  ['a body that ends too early', '{"a":[1,', 'a[1]: is not JSON: it ends too early at line 1, column 9'],
  ['a trailing comma', '{"a":1,}', 'a: is not JSON: a name in double quotes is expected at line 1, column 8'],
  ['a word', 'nope', 'body: is not JSON: a value is expected at line 1, column 1'],
  ['a missing colon', '{\n  "a" 1}', 'a: is not JSON: a colon is expected at line 2, column 7'],
  ['two values', '{} {}', 'body: is not JSON: nothing more is expected at line 1, column 4'],
  [
    'a raw line end in a string',
    '{"a":"x\ny"}',
    'a: is not JSON: this string is malformed or not closed at line 1, column 6',
  ],
  ['a leading zero', '[01]', '[0]: is not JSON: a value or ] is expected at line 1, column 2'],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'body: is not UTF-8'],
  ['an encoded surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'body: is not UTF-8'],
  ['NUL in a value', '{"a":{"b":"x\\u0000"}}', 'a.b: contains NUL (\\u0000), which cannot be stored'],
  ['NUL in a name', '{"a\\u0000":1}', '["a\\u0000"]: contains NUL (\\u0000), which cannot be stored'],
  ['a lone high surrogate', '["\\ud800x"]', '[0]: contains half of a surrogate pair, which cannot be stored'],
  [
    'a lone low surrogate',
    '{"a":["\\udc00"]}',
    'a[0]: contains half of a surrogate pair, which cannot be stored',
  ],
  [
    'a lone surrogate in a name',
    '{"\\udfff":1}',
    '["\\udfff"]: contains half of a surrogate pair, which cannot be stored',
  ],
  ['__proto__', '{"a":{"__proto__":{}}}', 'a.__proto__: is a name that is not allowed'],
  [
    '2^53',
    '{"a":9007199254740992}',
    'a: is a number beyond 2^53 - 1, which would lose digits; send it as a string',
  ],
  [
    '-2^53 - 1',
    '{"a":-9007199254740993}',
    'a: is a number beyond 2^53 - 1, which would lose digits; send it as a string',
  ],
  [
    'a number that overflows',
    '[1e999]',
    '[0]: is a number beyond 2^53 - 1, which would lose digits; send it as a string',
  ],
  [
    'a number that PostgreSQL would write with 300 digits',
    '[1e-300]',
    '[0]: is a number smaller than 1e-15; send it as a string',
  ],
  ['a name twice', '{"a":1,"b":{"x":1,"y":2,"x":3}}', 'b.x: is given more than once'],
  ['a name twice, once escaped', '{"a":1,"\\u0061":2}', 'a: is given more than once'],
  ['a name twice among strings with colons', '{"a":"::","b":1,"b":":"}', 'b: is given more than once'],
]

for (const [what, text, fault] of REFUSED) {
  t.test(`${what} is refused with its place`, async t => t.equal(faultOf(text), fault))
}

t.test('the largest integers, surrogate pairs and a byte order mark pass', async t => {
  t.same(parseJson(Buffer.from('\ufeff[9007199254740991,-9007199254740991,1e-15,0,-0.5,"\\ud83d\\ude00"]')), [
    9007199254740991,
    -9007199254740991,
    1e-15,
    0,
    -0.5,
    '😀',
  ])
})

t.test(`nesting is refused past ${MAX_DEPTH}`, async t => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  t.equal(faultOf(nested(MAX_DEPTH)), undefined)
  t.match(faultOf(nested(MAX_DEPTH + 1)), /^(\[0\]){16}: is nested deeper than 16$/)
  t.match(faultOf(nested(100_000)), /is nested deeper than 16$/)
})

t.test(`more than ${MAX_VALUES} values are refused`, async t => {
  const list = (length: number) => JSON.stringify(new Array(length).fill(1))
  t.equal(faultOf(list(MAX_VALUES - 1)), undefined)
  t.match(faultOf(list(MAX_VALUES)), /has more than 20000 values$/)
})
