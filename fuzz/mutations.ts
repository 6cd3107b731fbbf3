import fc from 'fast-check'
import { anyText } from './texts.ts'

const leaf: fc.Arbitrary<unknown> = fc.oneof(
  anyText,
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    0.0001,
    1e-300,
    2 ** 31,
    2 ** 53,
    1e308,
    [],
    {},
    [[]],
    [null],
  ),
  fc.jsonValue({ maxDepth: 2 }),
)

/** One change to a JSON value, anywhere in it. */
type Change = (value: unknown) => unknown

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: leaf.map(value => () => value) },
  {
    weight: 3,
    arbitrary: fc.nat({ max: 20 }).map(index => (value: unknown) => {
      if (Array.isArray(value)) return value.toSpliced(index % (value.length + 1), 1)
      if (typeof value !== 'object' || value === null) return undefined
      const names = Object.keys(value)
      return Object.fromEntries(
        Object.entries(value).filter(([name]) => name !== names[index % names.length]),
      )
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(anyText, leaf).map(([name, extra]) => (value: unknown) => {
      if (Array.isArray(value)) return [...value, extra]
      return typeof value === 'object' && value !== null ? { ...value, [name]: extra } : [value, extra]
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Change>(
      value => (Array.isArray(value) ? [...value, ...value] : [value]),
      value => Array(1001).fill(value),
      value => JSON.stringify(value),
      value => Array.from({ length: 17 }).reduce(inner => ({ a: inner }), value),
    ),
  },
)

/** Values of an arbitrary with a change or two in them. */
export function nearly(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const changes = fc.array(fc.tuple(fc.nat({ max: 50 }), change), { minLength: 1, maxLength: 2 })
  return fc
    .tuple(values, changes)
    .map(([value, all]) => all.reduce((changed, [at, make]) => changedAt(changed, at, make), value))
}

/** The value with what is the `at`-th of its parts, counted in depth, made another. */
function changedAt(value: unknown, at: number, make: Change): unknown {
  const places = placesOf(value)
  return replaced(value, places[at % places.length] ?? [], make)
}

function placesOf(value: unknown): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [[]]
  const steps = Array.isArray(value) ? [...value.keys()].slice(0, 20) : Object.keys(value)
  return [[], ...steps.flatMap(step => placesOf(Object(value)[step]).map(place => [step, ...place]))]
}

function replaced(value: unknown, [step, ...rest]: readonly (string | number)[], make: Change): unknown {
  if (step === undefined) return make(value)
  if (Array.isArray(value)) return value.map((old, at) => (at === step ? replaced(old, rest, make) : old))
  return Object.fromEntries(
    Object.entries(Object(value)).map(([name, old]) => [
      name,
      name === step ? replaced(old, rest, make) : old,
    ]),
  )
}

/** JSON texts of values, some of them broken as text. */
export function textOf(values: fc.Arbitrary<unknown>, isBroken: fc.Arbitrary<boolean>): fc.Arbitrary<Text> {
  return fc
    .tuple(values, isBroken, breaking)
    .map(([value, broken, make]) =>
      broken ? make(JSON.stringify(value) ?? '') : (JSON.stringify(value) ?? ''),
    )
}

export type Text = string | Uint8Array

const breaking: fc.Arbitrary<(text: string) => Text> = fc.oneof(
  fc.nat({ max: 400 }).map(at => (text: string) => text.slice(0, at % (text.length + 1))),
  fc.nat({ max: 400 }).map(at => (text: string) => {
    const bytes = Buffer.from(text)
    bytes[at % Math.max(1, bytes.length)] = 0xff
    return bytes
  }),
  fc.constantFrom<(text: string) => Text>(
    text => `${text}}`,
    text => `\ufeff${text}`,
    text => `${text}${text}`,
    text => text.replace('{', '{"ttl":1,"ttl":2,'),
    text => text.replace('{', '{"__proto__":{"role":"admin"},'),
    text => text.replace('{', '{"n":9007199254740993,'),
    text => text.replace('"', '"\\u0000'),
    text => text.replace('"', '"\\ud800'),
    text => text.replaceAll('"', "'"),
    text => `${' '.repeat(5000)}${text}`,
    () => `{"a":"${'x'.repeat(300_000)}"}`,
    () => '['.repeat(10_000),
    () => `[${'0,'.repeat(25_000)}0]`,
    () => '',
    () => '\u0000',
    () => 'NaN',
    text => Buffer.from(text, 'utf16le'),
  ),
  fc.uint8Array({ maxLength: 200 }).map(bytes => () => bytes),
)
