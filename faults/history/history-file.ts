import { createReadStream, createWriteStream, type WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Mark, Operation } from './operation.ts'

/** What a check needs to know besides the operations. */
export interface Header {
  readonly seed: number
  readonly round: number
  readonly namespace: string
  /** The names of the resources, by their numbers. */
  readonly keys: readonly string[]
  /** Whether commits are on a standby before they are answered. */
  readonly topology: 'single' | 'pair'
}

export interface History {
  readonly header: Header
  readonly operations: readonly Operation[]
  readonly marks: readonly Mark[]
}

const FLUSH_AT_CHARACTERS = 256 * 1024

/** Writes a round's history as lines of JSON, the header first. Memory does not grow with the round. */
export class HistoryWriter {
  readonly path: string
  readonly #stream: WriteStream
  #buffer: string
  #failure: Error | undefined

  constructor(path: string, header: Header) {
    this.path = path
    this.#stream = createWriteStream(path)
    this.#stream.on('error', error => {
      this.#failure = error
    })
    this.#buffer = `${JSON.stringify(header)}\n`
  }

  add(record: Operation | Mark): void {
    this.#buffer += `${JSON.stringify(record)}\n`
    if (this.#buffer.length >= FLUSH_AT_CHARACTERS) this.#flush()
  }

  async close(): Promise<void> {
    this.#flush()
    await new Promise<void>(resolve => this.#stream.end(resolve))
    if (this.#failure !== undefined) throw this.#failure
  }

  #flush(): void {
    this.#stream.write(this.#buffer)
    this.#buffer = ''
  }
}

export async function readHistory(path: string): Promise<History> {
  let header: Header | undefined
  const operations: Operation[] = []
  const marks: Mark[] = []
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const record = JSON.parse(line)
    if (header === undefined) header = record as Header
    else if ('mark' in record) marks.push(record as Mark)
    else operations.push(record as Operation)
  }
  if (header === undefined) throw new Error(`${path} is no history`)
  return { header, operations, marks }
}
