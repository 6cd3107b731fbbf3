import fc from 'fast-check'
import type { Framing } from './draft.ts'
import { nasty } from './texts.ts'

/** What of a request may be wrong: nothing on purpose, something, anything. */
export type Quality = 'valid' | 'nearly' | 'wild'

export const quality: fc.Arbitrary<Quality> = fc.oneof(
  { weight: 5, arbitrary: fc.constant('valid' as const) },
  { weight: 3, arbitrary: fc.constant('nearly' as const) },
  { weight: 2, arbitrary: fc.constant('wild' as const) },
)

export const framing: fc.Arbitrary<Framing> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('length' as const) },
  { weight: 1, arbitrary: fc.constant('chunked' as const) },
  { weight: 1, arbitrary: fc.constant('split' as const) },
)

type Header = readonly [name: string, value: string]

/** Headers that have no say in what is asked, and some that have. */
export const extraHeaders: fc.Arbitrary<readonly Header[]> = fc.oneof(
  { weight: 8, arbitrary: fc.constant([]) },
  {
    weight: 2,
    arbitrary: fc.array(
      fc.oneof(
        fc.constantFrom<Header>(
          ['Accept', '*/*'],
          ['Accept', 'application/xml'],
          ['Accept', 'text/html, application/xhtml+xml;q=0.9, */*;q=0.1'],
          ['Accept', 'application/json;q=0'],
          ['Accept', ';;;,,,q=q'],
          ['Accept-Encoding', 'gzip, br'],
          ['Expect', '100-continue'],
          ['Expect', 'something'],
          ['X-Request-Id', 'abc.DEF_1-2'],
          ['X-Request-Id', 'a b'],
          ['X-Request-Id', 'x'.repeat(65)],
          ['X-HTTP-Method-Override', 'DELETE'],
          ['X-Forwarded-For', '127.0.0.1'],
          ['X-Forwarded-Proto', 'https'],
          ['X-Forwarded-Host', 'evil.example'],
          ['X-Original-URL', '/v1/keys'],
          ['Forwarded', 'for=127.0.0.1'],
          ['Origin', 'https://evil.example'],
          ['Range', 'bytes=0-1'],
          ['If-Match', '*'],
          ['If-None-Match', '*'],
          ['If-Modified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT'],
          ['Cookie', 'a=b; QCSession=x; LWSSO_COOKIE_KEY=y'],
          ['Upgrade', 'h2c'],
          ['Connection', 'close'],
          ['Connection', 'keep-alive, Upgrade'],
          ['TE', 'trailers'],
          ['Host', 'second.example'],
          ['Content-MD5', 'AAAA'],
          ['User-Agent', 'git-lfs/3.3.0 (GitHub; linux amd64; go 1.19.8)'],
          ['User-Agent', '\u00ff\u00fe'],
          ['X', 'x'.repeat(9000)],
        ),
        nasty.map((value): Header => ['X-Text', headerText(value)]),
        nasty.map((value): Header => ['X-Lock-Id', headerText(value)]),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  },
)

export const contentType = (usual: string): fc.Arbitrary<readonly Header[]> =>
  fc.oneof(
    { weight: 18, arbitrary: fc.constant([['Content-Type', usual] as const]) },
    {
      weight: 2,
      arbitrary: fc.constantFrom<readonly Header[]>(
        [],
        [['Content-Type', 'text/plain']],
        [['Content-Type', `${usual}; charset=utf-8`]],
        [['Content-Type', `${usual}; charset=utf-16`]],
        [['Content-Type', 'application/x-www-form-urlencoded']],
        [['Content-Type', 'multipart/form-data; boundary=x']],
        [['Content-Type', ';']],
        [['Content-Type', 'application/json, text/plain']],
        [
          ['Content-Type', usual],
          ['Content-Encoding', 'gzip'],
        ],
      ),
    },
  )

/** Methods that a path does not have, mostly. */
export const otherMethod = fc.constantFrom(
  'HEAD',
  'OPTIONS',
  'PATCH',
  'TRACE',
  'POST',
  'PUT',
  'DELETE',
  'GET',
  'LOCK',
  'UNLOCK',
  'PROPFIND',
  'SEARCH',
  'PURGE',
)

/** Those of them that no path changes anything with. */
export const harmlessMethod = fc.constantFrom('HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND', 'PURGE')

/** Ways to show no key at all, or one that is none. */
export const badWays = [
  'Bearer',
  'Bearer ',
  'Bearer a b',
  'Basic',
  'Basic ####',
  'Basic Og==',
  'Basic /zphYg==',
  'Digest username="alice"',
  'Negotiate YII=',
  'PAS a:b:c',
  'BimPlus ',
  'bearer \u00ff',
  `Bearer ${'x'.repeat(5000)}`,
] as const

function headerText(text: string): string {
  return text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?')
}
