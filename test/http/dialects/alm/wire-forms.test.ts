import fc from 'fast-check'
import t from 'tap'
import { readCookies } from '../../../../src/http/dialects/alm/cookies.ts'
import { element, escapeXml, readXml, xmlDocument } from '../../../../src/http/dialects/alm/xml.ts'
import { SEED } from '../../../support/random.ts'

t.test('cookies are read as Java, PHP and browsers write them', async t => {
  const cases: readonly (readonly [string | undefined, Record<string, string>])[] = [
    [undefined, {}],
    ['', {}],
    ['a=1; b=2', { a: '1', b: '2' }],
    ['a=1;b=2;', { a: '1', b: '2' }],
    ['a="1"; b=""', { a: '1' }],
    ['a=1; a=2', { a: '1' }],
    ['a=; a=2', { a: '2' }],
    ['a=x==; b', { a: 'x==' }],
    [
      '$Version=0; LWSSO_COOKIE_KEY=l; $Path=/; $Version=0; TENANT_ID_COOKIE=0; $Path=/; $Domain=127.0.0.1; $Version=0; QCSession=q; $Path=/',
      { LWSSO_COOKIE_KEY: 'l', TENANT_ID_COOKIE: '0', QCSession: 'q' },
    ],
  ]
  for (const [header, expected] of cases)
    t.same(Object.fromEntries(readCookies(header)), expected, String(header))
})

t.test('XML is read with its entities, and nothing is taken for markup that was escaped', async t => {
  const read = (text: string) => readXml(Buffer.from(text))
  t.same(read('<a b="&lt;1&#x41;">x&amp;&#66;<c/><![CDATA[<&amp;>]]> y </a>'), {
    name: 'a',
    attributes: { b: '<1A' },
    text: 'x&B<&amp;> y ',
    children: [{ name: 'c', attributes: {}, text: '', children: [] }],
  })
  t.equal(read('<?xml version="1.0"?><!-- x --><a>&amp;lt;</a>').text, '&lt;', 'decoded once')
  t.equal(read('\ufeff<a>007</a>').text, '007', 'a text, whatever it looks like')
})

t.test('what is not well-formed, or brings entities of its own, is refused', async t => {
  const wrong = [
    '',
    'x',
    '<a>',
    '<a></b>',
    '<a/><b/>',
    '<a b=1/>',
    '<a>&b;</a>',
    '<a>&</a>',
    '<a>&#0;</a>',
    '<a>&#xD800;</a>',
    '<a>&#1114112;</a>',
    '<a>&constructor;</a>',
    '<a>\u0001</a>',
    '<!DOCTYPE a><a/>',
    '<!doctype a [<!ENTITY b "c">]><a>&b;</a>',
    `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}`,
  ]
  for (const text of wrong) {
    t.throws(() => readXml(Buffer.from(text)), { code: 'invalid_request' }, text.slice(0, 40))
  }
  t.throws(() => readXml(Buffer.from([0x3c, 0x61, 0xff, 0x2f, 0x3e])), { code: 'invalid_request' })
})

t.test('every text comes back as it was written, but for what XML cannot hold', async t => {
  t.comment(`seed ${SEED}`)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const written = xmlDocument(element('a', escapeXml(text), { b: text }))
      const { text: read, attributes } = readXml(Buffer.from(written))
      const expected = text.replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
      return read === expected && attributes.b === expected
    }),
    { seed: SEED, numRuns: 500 },
  )
})
