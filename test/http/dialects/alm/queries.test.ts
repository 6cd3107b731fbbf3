import fc from 'fast-check'
import t from 'tap'
import { parseBraceQuery } from '../../../../src/http/dialects/alm/brace-query.ts'
import { AlmError } from '../../../../src/http/dialects/alm/errors.ts'
import { holderIn, matches } from '../../../../src/http/dialects/alm/filter.ts'
import type { AlmLock } from '../../../../src/http/dialects/alm/presenters.ts'
import { parseQueryClause } from '../../../../src/http/dialects/alm/query-clause.ts'
import { SEED } from '../../../support/random.ts'
import { NAMESPACE, startService } from '../../service.ts'
import { AlmClient, API, entities } from './client.ts'

const LOCK: AlmLock = {
  type: 'lock',
  id: 1016,
  entity: { id: 2, type: 'defect' },
  user: "d'Artagnan*",
  'lock-time': '2015-01-06 15:13:11',
  'session-last-touch': '2015-01-06 16:00:00',
}

const INVALID = '404 qccore.invalid-filter-expression'

function refusalOf(work: () => unknown): string {
  try {
    return JSON.stringify(work())
  } catch (error) {
    return error instanceof AlmError ? `${error.status} ${error.id}` : String(error)
  }
}

const CLAUSES: readonly (readonly [string, boolean])[] = [
  ['id=1016', true],
  ['id = 1016', true],
  ['"id=1016"', true],
  ['id<1016', false],
  ['id<=1016', true],
  ['id>999', true],
  ['id>=1017', false],
  ['id=1016.5', false],
  ["id='1016'", true],
  ["id>'999'", true],
  ["id='10*'", true],
  ["id='x'", false],
  ["user='d\\'Artagnan\\*'", true],
  ["user='d\\'art*'", false],
  ["user='*'", true],
  ["user='d*Art*gnan*'", true],
  ["user='d*gnan*Art*'", false],
  ["user='*dd*'", false],
  ["user>'c'", true],
  ['user=5', false],
  ['user=null', false],
  ['!(user=null)', true],
  ["entity.type='defect';entity.id=2", true],
  ["entity-type='defect';entity-id=3", false],
  ["type='lock'", true],
  ["lock-time>='2015-01-06 00:00:00'", true],
  ["session-last-touch='2015-01-06*'", true],
  ["id=1||user='x';id=1016", false],
  ["id=1016||user='x';id=1", true],
  ["(id=1||entity.type='defect');id=1016", true],
  ['!id=1;!!id=1016', true],
  ['((id=1016))', true],
]

t.test('a clause lets through what it says', async t => {
  for (const [text, expected] of CLAUSES) t.equal(matches(LOCK, parseQueryClause(text)), expected, text)
})

t.test('a query in braces lets through what it says', async t => {
  const queries: readonly (readonly [string, boolean])[] = [
    ['{}', true],
    ['{id[1016]}', true],
    ['{id[1 Or 2]}', false],
    ['{id[1 or 1016]}', true],
    ['{ id[> 1 AND <2000] ; entity-type[defect] }', true],
    ['{ENTITY-TYPE[defect];}', true],
    ['{id[Not 1016]}', false],
    ['{id[NOT (1 or 2)]}', true],
    ['{id[<>1016]}', false],
    ['{id[1 or 2 and 1016]}', false],
    ['{user["d\'Art*"]}', true],
    ["{lock-time['2015-01-06 15:13:11']}", true],
    ['{lock-time[2015-01-06 15:13:11]}', true],
    ['{lock-time[<2015-01-06]}', false],
    ['{entity.id[2];user[x or d*]}', true],
  ]
  for (const [text, expected] of queries) t.equal(matches(LOCK, parseBraceQuery(text)), expected, text)
})

t.test('a query that is about one user reads the locks of that user alone', async t => {
  const holders: readonly (readonly [string, string | undefined])[] = [
    ["user='bob'", 'bob'],
    ["id>1;(user='bob')", 'bob'],
    ["user='bob';user='alice'", 'bob'],
    ["user='bob'||id=1", undefined],
    ["!user='bob'", undefined],
    ["user='b*'", undefined],
    ["user>'bob'", undefined],
    ['user=5', undefined],
  ]
  for (const [text, expected] of holders) t.equal(holderIn(parseQueryClause(text)), expected, text)
  t.equal(holderIn(parseBraceQuery('{user[bob]}')), 'bob')
})

t.test('what is no query is refused as the vendor refuses it', async t => {
  const clauses = [
    '',
    ' ',
    '""',
    'id',
    'id=',
    'id=1;',
    '||id=1',
    'id==1',
    'id<>1',
    "user='x",
    "user='x\\",
    "user='x\\'",
    'user=x',
    'user=true',
    'id=1)',
    '(id=1',
    'id=1 id=2',
    'id=1|id=2',
    'name=1',
    'constructor=1',
    '__proto__=1',
    `${'('.repeat(4000)}id=1${')'.repeat(4000)}`,
    `${'!'.repeat(8000)}id=1`,
  ]
  const braces = [
    '{',
    '{id}',
    '{id[]}',
    '{id[1}',
    '{id[1]',
    '{id[1]}x',
    '{id[1 or]}',
    '{id["1]}',
    '{name[1]}',
  ]
  braces.push('{id[(1]}', '{id[1)]}', '{[1]}', `{id[${'('.repeat(4000)}1]}`, `{id[${'not '.repeat(2000)}1]}`)
  for (const text of clauses)
    t.equal(
      refusalOf(() => parseQueryClause(text)),
      INVALID,
      text.slice(0, 20),
    )
  for (const text of braces)
    t.equal(
      refusalOf(() => parseBraceQuery(text)),
      INVALID,
      text.slice(0, 20),
    )
})

t.test('no text of any kind is a fault of a parser', async t => {
  const sign = fc.constantFrom(
    ...["'", '*', '\\', '"', '(', ')', '[', ']', '{', '}', ';', '||', '!', '=', '<', '>'],
  )
  const word = fc.constantFrom('id', 'user', 'entity.id', 'and', 'or', 'not', 'null', 'true', '5', '-1', ' ')
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.oneof(sign, word, fc.string({ maxLength: 3 })), { maxLength: 20 })
      .map(parts => parts.join('')),
  )
  t.comment(`seed ${SEED}`)
  fc.assert(
    fc.property(text, candidate => {
      for (const parse of [parseQueryClause, parseBraceQuery]) {
        try {
          matches(LOCK, parse(candidate))
        } catch (error) {
          if (!(error instanceof AlmError)) throw error
        }
      }
    }),
    { seed: SEED, numRuns: 3000 },
  )
})

t.test('a string finds the text that it was written for, and a wildcard any', async t => {
  const quoted = (text: string) => `'${text.replaceAll(/['\\*]/g, '\\$&')}'`
  t.comment(`seed ${SEED}`)
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (before, between, after) => {
      const lock = { ...LOCK, user: before + between + after }
      return (
        matches(lock, parseQueryClause(`user=${quoted(lock.user)}`)) &&
        matches(lock, parseQueryClause(`user=${quoted(before).slice(0, -1)}*${quoted(after).slice(1)}`)) &&
        !matches({ ...lock, user: `${lock.user}x` }, parseQueryClause(`user=${quoted(lock.user)}`))
      )
    }),
    { seed: SEED, numRuns: 500 },
  )
})

t.test('a collection is filtered, ordered, cut and paged', async t => {
  const service = await startService(t)
  const alice = await new AlmClient(service).signIn('alice', service.keys.alice)
  const bob = await new AlmClient(service).signIn('bob', service.keys.bob)
  const made = await alice.call('POST', API, { body: entities(3, 20, 'x', 1) })
  await bob.call('POST', API, { body: entities(100) })
  const ids = async (query: string) => {
    const { status, json } = await alice.call('GET', `${API}?${query}`)
    return status === 200
      ? [json.data.map((lock: AlmLock) => lock.entity.id), json['total-results']]
      : [status, json.Id]
  }
  const expected: readonly (readonly [string, unknown])[] = [
    ['', [[3, 20, 'x', 1, 100], 5]],
    ['_=123&login-form-required=y', [[3, 20, 'x', 1, 100], 5]],
    ["query=user='alice';entity.id>2", [[3, 20, 'x'], 3]],
    [`query=${encodeURIComponent("user='bob'||entity.id=1")}`, [[1, 100], 2]],
    [`query=${encodeURIComponent('{entity-id[1 or 100]}')}`, [[1, 100], 2]],
    ["query=user='carol'", [[], 0]],
    ["query=user='a*'", [[3, 20, 'x', 1], 4]],
    ['order-by=entity.id', [[1, 3, 20, 100, 'x'], 5]],
    ['order-by=-entity.id', [['x', 100, 20, 3, 1], 5]],
    ['order-by=user,-id', [[1, 'x', 20, 3, 100], 5]],
    ['order-by={user[DESC];entity-id}', [[100, 1, 3, 20, 'x'], 5]],
    ['page-size=2', [[3, 20], 5]],
    ['page-size=2&start-index=5', [[100], 5]],
    ['page-size=2&start-index=6', [[], 5]],
    ['page-size=max', [[3, 20, 'x', 1, 100], 5]],
    ['page-size=2000', [[3, 20, 'x', 1, 100], 5]],
    ['page-size=2001', [400, 'qccore.general-error']],
    ['page-size=0', [400, 'qccore.general-error']],
    ['start-index=0', [400, 'qccore.general-error']],
    ['start-index=1.5', [400, 'qccore.general-error']],
    ['page-size=1&page-size=2', [400, 'qccore.general-error']],
    ['order-by=name', [400, 'qccore.unknown-field-name']],
    ['order-by={id[UP]}', [400, 'qccore.unknown-field-name']],
    ['fields=name', [400, 'qccore.unknown-field-name']],
    ['query=name=1', [404, 'qccore.invalid-filter-expression']],
    ['query=', [404, 'qccore.invalid-filter-expression']],
  ]
  for (const [query, answer] of expected) t.same(await ids(query), answer, query)
  const cut = await alice.call('GET', `${API}/?fields=user,entity.type&page-size=1`)
  const [lock] = made.json.data
  t.same(cut.json.data, [{ type: 'lock', id: lock.id, entity: { id: 3, type: 'defect' }, user: 'alice' }])
})

t.test('a collection of more locks than are read at once is whole', async t => {
  const service = await startService(t)
  const alice = await new AlmClient(service).signIn('alice', service.keys.alice)
  for (let from = 0; from < 2100; from += 700) {
    const ids = Array.from({ length: 700 }, (_, index) => from + index)
    const { status } = await alice.call('POST', API, { body: entities(...ids) })
    t.equal(status, 201)
  }
  const { json } = await alice.call('GET', `${API}?page-size=max&order-by=-entity.id`)
  t.equal(json['total-results'], 2100)
  t.equal(json.data.length, 2000)
  t.equal(json.data[0].entity.id, 2099)
  const deleted = await alice.call('DELETE', `${API}?query=entity.id>=10`)
  t.equal(deleted.json['total-results'], 2090)
  t.equal((await service.stores.locks.list({ namespace: NAMESPACE, limit: 100 })).length, 10)
})
