/**
 * Everything in which a semicolon does not end a statement, and the semicolon itself. The body of a
 * `begin atomic … end` function is not known here: it has no reason to be outside a transaction.
 */
const TOKEN =
  /[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$((?:[A-Za-z_]\w*)?)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\/|;/g
const COMMENTS_AND_SPACE = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/

/**
 * Cuts SQL into its statements. Needed outside a transaction only: PostgreSQL runs statements that it receives
 * together as one transaction, in which `create index concurrently` is refused.
 */
export function splitStatements(sql: string): string[] {
  const statements: string[] = []
  let start = 0
  const add = (end: number): void => {
    const statement = sql.slice(start, end).replace(COMMENTS_AND_SPACE, '').trimEnd()
    if (statement !== '') statements.push(statement)
    start = end + 1
  }
  for (const token of sql.matchAll(TOKEN)) {
    if (token[0] === ';') add(token.index)
  }
  add(sql.length)
  return statements
}
