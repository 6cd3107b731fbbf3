/** Largest number of the vendor's clients, which read 32 bits. */
export const MAX_WHOLE_NUMBER = 2 ** 31 - 1

const DIGITS = /^\d{1,20}$/
const CANONICAL = /^(?:0|[1-9]\d{0,9})$/

/**
 * The number that decimal text stands for, from `min` to MAX_WHOLE_NUMBER. `007` is 7: only the number goes on from
 * here, never the text, so the two spellings stay one resource.
 */
export function wholeNumber(text: string, min: number): number | undefined {
  if (!DIGITS.test(text)) return undefined
  const number = Number(text)
  return number >= min && number <= MAX_WHOLE_NUMBER ? number : undefined
}

/** The same of stored text, where every other spelling is another resource, which has no number. */
export function canonicalNumber(text: string): number | undefined {
  return CANONICAL.test(text) ? wholeNumber(text, 1) : undefined
}
