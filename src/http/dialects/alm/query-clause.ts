import { type Filter, fieldNamed, invalidFilter, type Literal, MAX_NESTING, OPERATORS } from './filter.ts'

/**
 * The query of /qcbin/api: `(user='st*';id>1000)||!(entity.type='defect')`. A semicolon is an and, and binds
 * closer than `||`. In single quotes `*` stands for any text, and a backslash takes the next character as it is.
 * Double quotes around the whole, as some clients send them, are not part of it.
 *
 * More is understood than the vendor's servers do: an `||` over two fields may be combined with `;`.
 */
export function parseQueryClause(text: string): Filter {
  const [, inner = text] = /^\s*"([\s\S]*)"\s*$/.exec(text) ?? []
  return new QueryClause(inner).read()
}

class QueryClause {
  readonly #text: string
  #at = 0
  #nesting = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): Filter {
    const filter = this.#any()
    if (this.#at < this.#text.length) this.#refuse('the end')
    return filter
  }

  #any(): Filter {
    const parts = [this.#all()]
    while (this.#takes('||')) parts.push(this.#all())
    return { kind: 'any', parts }
  }

  #all(): Filter {
    const parts = [this.#one()]
    while (this.#takes(';')) parts.push(this.#one())
    return { kind: 'all', parts }
  }

  #one(): Filter {
    this.#nesting += 1
    if (this.#nesting > MAX_NESTING) invalidFilter(`it is nested deeper than ${MAX_NESTING}`)
    const filter = this.#notOrGroup() ?? this.#comparison()
    this.#nesting -= 1
    return filter
  }

  #notOrGroup(): Filter | undefined {
    if (this.#takes('!')) return { kind: 'not', part: this.#one() }
    if (!this.#takes('(')) return undefined
    const filter = this.#any()
    if (!this.#takes(')')) this.#refuse(')')
    return filter
  }

  #comparison(): Filter {
    const name = this.#match(/[A-Za-z][\w.-]*/y) ?? this.#refuse('a field')
    const field = fieldNamed(name) ?? invalidFilter(`a lock has no field ${name}`)
    const operator =
      OPERATORS.find(candidate => candidate !== '<>' && this.#takes(candidate)) ??
      this.#refuse('one of = < > <= >=')
    return { kind: 'compare', field, operator, value: this.#value() }
  }

  #value(): Literal {
    if (this.#takes("'")) return this.#string()
    const word = this.#match(/-?\d+(?:\.\d+)?|[A-Za-z]+/y) ?? this.#refuse('a value')
    if (word === 'null') return { kind: 'null' }
    if (/^[A-Za-z]/.test(word)) invalidFilter(`no field of a lock can be compared with ${word}`)
    return { kind: 'number', value: Number(word) }
  }

  #string(): Literal {
    const pieces = ['']
    for (;;) {
      let character = this.#text[this.#at] ?? this.#refuse("the closing '")
      this.#at += 1
      if (character === "'") return { kind: 'text', pieces }
      if (character === '*') {
        pieces.push('')
        continue
      }
      if (character === '\\') {
        character = this.#text[this.#at] ?? this.#refuse("the closing '")
        this.#at += 1
      }
      pieces.push((pieces.pop() ?? '') + character)
    }
  }

  #takes(symbol: string): boolean {
    this.#match(/\s*/y)
    if (!this.#text.startsWith(symbol, this.#at)) return false
    this.#at += symbol.length
    return true
  }

  #match(pattern: RegExp): string | undefined {
    const start = /\s*/y
    start.lastIndex = this.#at
    start.test(this.#text)
    pattern.lastIndex = start.lastIndex
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at = pattern.lastIndex
    return found
  }

  #refuse(expected: string): never {
    return invalidFilter(`${expected} is expected at character ${this.#at + 1}`)
  }
}
