/** JSON of an answer, whatever its shape. */
// biome-ignore lint/suspicious/noExplicitAny: the assertions of a test say what shape is expected, and fail on another; a type for each answer would say it twice
export type AnyJson = any
