import { createReadStream, createWriteStream, type WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { LogEntry, Mark, Operation } from './operation.ts'

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
  /** Undefined: the database's log is not known, or has a hole. */
  readonly log?: readonly LogEntry[] | undefined
}

/** Behind the log: without it some of the log is missing. */
export interface LogEnd {
  readonly logEntries: number
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

  add(record: Operation | Mark | LogEntry | LogEnd): void {
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
  const log: LogEntry[] = []
  let isLogWhole = false
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const record = JSON.parse(line)
    if (header === undefined) header = record as Header
    else if ('logEntries' in record) isLogWhole = (record as LogEnd).logEntries === log.length
    else if ('log' in record) log.push(record as LogEntry)
    else if ('mark' in record) marks.push(record as Mark)
    else operations.push(record as Operation)
  }
  if (header === undefined) throw new Error(`${path} is no history`)
  return { header, operations, marks, log: isLogWhole ? log : undefined }
}
