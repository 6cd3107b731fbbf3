const LAST_CODE_POINT = 0x10ffff
const FIRST_SURROGATE = 0xd800
const AFTER_SURROGATES = 0xe000

/**
 * The first text, in the order of code points, that is behind all those that begin with the prefix; undefined where
 * there is none. In a column with the collation "C" that is the order of the index: texts from the prefix up to this
 * are found by it, where `starts_with` would be asked of every row.
 */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, character => character.codePointAt(0) ?? 0)
  while (points.at(-1) === LAST_CODE_POINT) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  const next = last + 1 === FIRST_SURROGATE ? AFTER_SURROGATES : last + 1
  return String.fromCodePoint(...points, next)
}
