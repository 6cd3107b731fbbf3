/** Where a text stops being JSON, or where an object names a member for the second time. */
export interface JsonDiagnosis {
  readonly path: readonly (string | number)[]
  readonly message: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
}

const TOKEN =
  /[ \t\n\r]*(?:(?<mark>[{}[\]:,])|(?<text>"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(?<other>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)))/y
const SPACE = /[ \t\n\r]*/y

type Expected = 'value' | 'value or ]' | 'name or }' | 'name' | 'colon' | 'comma or end' | 'nothing more'

const MESSAGES: Record<Expected, string> = {
  value: 'a value is expected',
  'value or ]': 'a value or ] is expected',
  'name or }': 'a name in double quotes or } is expected',
  name: 'a name in double quotes is expected',
  colon: 'a colon is expected',
  'comma or end': 'a comma or the end of the object or array is expected',
  'nothing more': 'nothing more is expected',
}

interface Level {
  /** Of an object: the names so far. Undefined: an array. */
  readonly names: Set<string> | undefined
  /** The member or element that is being read. Undefined before an object's first name. */
  step: string | number | undefined
}

/**
 * Reads a text that JSON.parse refused, or in which it lost a member, to tell where. JSON.parse itself names
 * no position for half of its errors. Only ever run for a request that is refused.
 */
export function diagnoseJson(text: string): JsonDiagnosis {
  const levels: Level[] = []
  let expected: Expected = 'value'
  let at = 0

  const found = (message: string, index: number): JsonDiagnosis => {
    const before = text.slice(0, index)
    const line = before.split('\n').length
    return {
      path: levels.map(level => level.step).filter(step => step !== undefined),
      message,
      line,
      column: index - before.lastIndexOf('\n'),
    }
  }

  for (;;) {
    TOKEN.lastIndex = at
    const groups = TOKEN.exec(text)?.groups
    if (groups === undefined) {
      SPACE.lastIndex = at
      const index = at + (SPACE.exec(text)?.[0].length ?? 0)
      if (index === text.length) return found('it ends too early', index)
      return found(text[index] === '"' ? 'this string is malformed or not closed' : MESSAGES[expected], index)
    }
    const token = groups.mark ?? groups.text ?? groups.other ?? ''
    const index = TOKEN.lastIndex - token.length
    at = TOKEN.lastIndex
    const level = levels.at(-1)
    const isName = groups.text !== undefined && (expected === 'name' || expected === 'name or }')
    const isValue = groups.mark === undefined || token === '{' || token === '['

    if (isName && level?.names !== undefined) {
      const name: string = JSON.parse(token)
      level.step = name
      if (level.names.has(name)) return found('is given more than once', index)
      level.names.add(name)
      expected = 'colon'
    } else if (expected === 'colon' && token === ':') {
      expected = 'value'
    } else if ((expected === 'value' || expected === 'value or ]') && isValue) {
      if (token === '{') {
        levels.push({ names: new Set(), step: undefined })
        expected = 'name or }'
      } else if (token === '[') {
        levels.push({ names: undefined, step: 0 })
        expected = 'value or ]'
      } else expected = levels.length === 0 ? 'nothing more' : 'comma or end'
    } else if (expected === 'comma or end' && token === ',' && level !== undefined) {
      if (typeof level.step === 'number') level.step += 1
      expected = level.names === undefined ? 'value' : 'name'
    } else if (closes(token, level, expected)) {
      levels.pop()
      expected = levels.length === 0 ? 'nothing more' : 'comma or end'
    } else {
      return found(MESSAGES[expected], index)
    }
  }
}

function closes(token: string, level: Level | undefined, expected: Expected): boolean {
  if (level === undefined) return false
  return level.names === undefined
    ? token === ']' && (expected === 'value or ]' || expected === 'comma or end')
    : token === '}' && (expected === 'name or }' || expected === 'comma or end')
}
