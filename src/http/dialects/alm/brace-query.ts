import {
  type Filter,
  fieldNamed,
  invalidFilter,
  type Literal,
  MAX_NESTING,
  OPERATORS,
  type Operator,
} from './filter.ts'

const WORD = /^(?:and|or|not)$/i
const TOKEN = /\s*("[^"]*"|'[^']*'|<=|>=|<>|[=<>()[\]{};]|[^\s"'=<>()[\]{};]+)/y

/**
 * The query of /qcbin/rest: `{id[1 Or 2];user[NOT (bob or carol)]}`. Fields are combined by and; inside the brackets
 * `And`, `Or` and `Not` are words in any case, and values may be quoted and have wildcards.
 */
export function parseBraceQuery(text: string): Filter {
  return new BraceQuery(tokensOf(text)).read()
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = []
  const trimmed = text.trim()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < trimmed.length) {
    const token = TOKEN.exec(trimmed)?.[1]
    if (token === undefined) return invalidFilter('a quotation has no end')
    tokens.push(token)
  }
  return tokens
}

class BraceQuery {
  readonly #tokens: readonly string[]
  #at = 0
  #nesting = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  read(): Filter {
    const parts: Filter[] = []
    this.#need('{')
    while (!this.#takes('}')) {
      parts.push(this.#field())
      if (this.#takes(';')) continue
      this.#need('}')
      break
    }
    if (this.#next() !== undefined) this.#refuse('the end')
    return { kind: 'all', parts }
  }

  #field(): Filter {
    const name = this.#next() ?? this.#refuse('a field')
    this.#at += 1
    const field = fieldNamed(name.toLowerCase()) ?? invalidFilter(`a lock has no field ${name}`)
    this.#need('[')
    const filter = this.#any((operator, value) => ({ kind: 'compare', field, operator, value }))
    this.#need(']')
    return filter
  }

  #any(compared: (operator: Operator, value: Literal) => Filter): Filter {
    const parts = [this.#all(compared)]
    while (this.#takes('or')) parts.push(this.#all(compared))
    return { kind: 'any', parts }
  }

  #all(compared: (operator: Operator, value: Literal) => Filter): Filter {
    const parts = [this.#one(compared)]
    while (this.#takes('and')) parts.push(this.#one(compared))
    return { kind: 'all', parts }
  }

  #one(compared: (operator: Operator, value: Literal) => Filter): Filter {
    this.#nesting += 1
    if (this.#nesting > MAX_NESTING) invalidFilter(`it is nested deeper than ${MAX_NESTING}`)
    const filter = this.#term(compared)
    this.#nesting -= 1
    return filter
  }

  #term(compared: (operator: Operator, value: Literal) => Filter): Filter {
    if (this.#takes('not')) return { kind: 'not', part: this.#one(compared) }
    if (this.#takes('(')) {
      const filter = this.#any(compared)
      this.#need(')')
      return filter
    }
    const operator = OPERATORS.find(candidate => this.#takes(candidate)) ?? '='
    return compared(operator, this.#value())
  }

  /** A quotation, or words up to the next sign: `4-Very High` is one value. */
  #value(): Literal {
    const quoted = this.#next()
    if (quoted !== undefined && /^["']/.test(quoted)) {
      this.#at += 1
      return { kind: 'text', pieces: quoted.slice(1, -1).split('*') }
    }
    const words: string[] = []
    for (let word = this.#next(); word !== undefined; word = this.#next()) {
      if (/^["'=<>()[\]{};]/.test(word) || WORD.test(word)) break
      words.push(word)
      this.#at += 1
    }
    if (words.length === 0) this.#refuse('a value')
    return { kind: 'text', pieces: words.join(' ').split('*') }
  }

  #next(): string | undefined {
    return this.#tokens[this.#at]
  }

  #takes(symbol: string): boolean {
    if (this.#next()?.toLowerCase() !== symbol) return false
    this.#at += 1
    return true
  }

  #need(symbol: string): void {
    if (!this.#takes(symbol)) this.#refuse(symbol)
  }

  #refuse(expected: string): never {
    const found = this.#next()
    return invalidFilter(`${expected} is expected ${found === undefined ? 'at the end' : `before ${found}`}`)
  }
}
