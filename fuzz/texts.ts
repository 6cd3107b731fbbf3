import fc from 'fast-check'

/** Few, so that requests meet each other. */
export const TYPES = ['defect', 'file', 'folder', 'object', 'gadget', 'terraform-state', '27', 'Task']
export const IDS = Array.from({ length: 12 }, (_, index) => String(index + 1))

/** Texts that have broken something somewhere. */
const NASTY = [
  '',
  ' ',
  '.',
  '..',
  '/',
  '//',
  '\\',
  '%',
  '%00',
  '%2F',
  '%252F',
  '#',
  '?',
  '&',
  '=',
  '+',
  '*',
  '"',
  "'",
  '`',
  ';',
  "'; drop table locks; --",
  "' or '1'='1",
  '$1',
  '$' + '{7*7}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
  '../../etc/passwd',
  'null',
  'undefined',
  'true',
  'NaN',
  'Infinity',
  '-0',
  '0',
  '-1',
  '1e309',
  '0x10',
  '９',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '2147483648',
  '00000000-0000-0000-0000-000000000000',
  '__proto__',
  'constructor',
  'toString',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udc00a',
  '\ufeff',
  '\u202e',
  '\u0130',
  'ß',
  'é',
  'e\u0301',
  '𝒳',
  '👩‍👩‍👧',
  '\r\nX-Injected: 1',
  '\n',
  '\t',
  '\u007f',
  '\u0085',
  'x'.repeat(255),
  'x'.repeat(256),
  'é'.repeat(128),
  'x'.repeat(1024),
  'x'.repeat(1025),
  'x'.repeat(4097),
]

export const nasty = fc.constantFrom(...NASTY)

/** Any text: nasty, odd or plain. */
export const anyText = fc.oneof(
  { weight: 4, arbitrary: nasty },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
)

/** A text that a name can be. */
export const plainText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('alice', 'ws-15', 'build-4711', 'é', 'a b', 'a/b', 'Ünï') },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }) },
)

export const newUuid = fc.uuid({ version: 4 })

/** One of the kept things of a kind: `draft.ts` puts it in. */
export function kept(kind: string): fc.Arbitrary<string> {
  return fc.nat({ max: 63 }).map(index => `@{${kind}:${index}}`)
}

/** Without halves of surrogate pairs, which no UTF-8 has. */
export function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\ufffd')
}

/** With all but unreserved characters escaped. */
export function escaped(text: string): string {
  return encodeURIComponent(wellFormed(text))
}

/** Escapes that are none, and bytes that must not come raw; all of them can stand in a request's first line. */
export const rawSegment = fc.oneof(
  fc.constantFrom(
    '%',
    '%4',
    '%zz',
    '%c0%af',
    '%ff',
    '%00',
    '%ed%a0%80',
    '%2e%2e',
    '..',
    '.',
    '',
    '/',
    '//',
    '#x',
    '?',
    '\\',
    '\u00e9',
    '\u00ff\u00fe',
    '{}',
    '|',
    '^',
    '"',
    '<>',
    ';a=b',
    'a,b',
    '*',
    'x'.repeat(9000),
  ),
  anyText.map(escaped),
)
