/** JSON of an answer, whatever its shape: the assertions of a test say what they expect of it. */
export type AnyJson = ReturnType<typeof JSON.parse>
