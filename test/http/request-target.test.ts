import fc from 'fast-check'
import t from 'tap'
import {
  MAX_TARGET_BYTES,
  pathOf,
  queryParameters,
  requireProperTarget,
  withoutAuthority,
} from '../../src/http/request-target.ts'
import { Refusal } from '../../src/locks/errors.ts'

function codeOf(target: string): string {
  try {
    requireProperTarget(target)
    return 'proper'
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return error.code
  }
}

t.test('every text can be named by its escapes', async t => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), text => {
      if (text.includes('\0')) return
      const escaped = encodeURIComponent(text)
      if (codeOf(`/v1/namespaces/${escaped}/locks?id=${escaped}`) !== 'proper') throw new Error(escaped)
    }),
    { numRuns: 1000 },
  )
  t.pass('1,000 texts')
})

const MALFORMED = {
  'an escape that is cut short': '/a%E0%A4%A',
  'an escape that is cut at the end': '/a%',
  'an escape with a letter past F': '/a%0g',
  'a byte that is not UTF-8': '/a%ff',
  'an overlong escape of a slash': '/a%c0%af',
  'an escaped surrogate': '/a%ed%a0%80',
  NUL: '/a%00b',
  'a raw byte past ASCII': '/a\u00e9',
  'a fragment': '/a#b',
  'a fragment behind a query': '/a?b#c',
  'a control character': '/a\u0001',
  'a malformed query': '/a?x=%ff',
  'NUL in a query': '/a?x=%00',
  'a path without its slash': 'a',
  'the target of OPTIONS for a whole server': '*',
  'another scheme': 'ftp://host/a',
  'an authority that is none': 'http://ho st/a',
}
for (const [what, target] of Object.entries(MALFORMED)) {
  t.test(`${what} is refused`, async t => t.equal(codeOf(target), 'invalid_request'))
}

t.test('a target past the limit is too long', async t => {
  t.equal(codeOf(`/${'a'.repeat(MAX_TARGET_BYTES - 1)}`), 'proper')
  t.equal(codeOf(`/${'a'.repeat(MAX_TARGET_BYTES)}`), 'uri_too_long')
})

t.test('a whole address is the same as its path, character by character', async t => {
  t.equal(withoutAuthority('http://host:80/v1/a\\b{}|^?c'), '/v1/a\\b{}|^?c')
  t.equal(withoutAuthority('http://host'), '/')
  t.equal(withoutAuthority('http://host?a=b'), '/?a=b')
  t.equal(withoutAuthority('/http://host/a'), '/http://host/a')
  t.equal(withoutAuthority('//host/a'), '//host/a')
})

t.test('the path is found in both forms of a target', async t => {
  for (const target of ['/v1/x', '/v1/x?a=/b', 'http://host:80/v1/x?a', 'HTTPS://[::1]:8/v1/x']) {
    t.equal(pathOf(target), '/v1/x')
    t.equal(codeOf(target), 'proper')
  }
})

t.test('query parameters are decoded, and a repeated one is refused', async t => {
  t.same({ ...queryParameters('a=b%2Fc+d&e=&f') }, { a: 'b/c d', e: '', f: '' })
  t.throws(() => queryParameters('a=1&b=2&a=1'), { code: 'invalid_request', fields: [{ field: 'query a' }] })
  t.same(Object.keys(queryParameters('__proto__=1')), ['__proto__'])
})
