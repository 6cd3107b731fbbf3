import { createReadStream } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Histogram } from '../histogram.ts'
import type { Durations, Load } from '../load.ts'
import type { Program } from '../program.ts'

/** What a line of pgbench's log says of a transaction. */
export interface LoggedTransaction {
  /** When it ended, in ms since 1970. */
  readonly endedMs: number
  readonly durationMs: number
}

/** `client_id transaction_no time script_no time_epoch time_us`, times in microseconds. */
export function parseLogLine(line: string): LoggedTransaction {
  const [, , time, , epochSeconds, epochMicroseconds] = line.split(' ').map(Number)
  const endedMs = (epochSeconds ?? Number.NaN) * 1000 + (epochMicroseconds ?? Number.NaN) / 1000
  const durationMs = (time ?? Number.NaN) / 1000
  if (Number.isNaN(endedMs + durationMs)) throw new Error(`a line of pgbench's log: ${line}`)
  return { endedMs, durationMs }
}

/** A pgbench that writes a log of its transactions, of which those in the window are counted. */
export class PgbenchLoad implements Load {
  readonly running: Promise<unknown>
  readonly generatorPid: number
  readonly #program: Program
  readonly #logs: string
  #openedMs = 0
  #closedMs: number | undefined
  #stopping = false

  constructor(program: Program, logs: string) {
    this.#program = program
    this.#logs = logs
    this.generatorPid = program.pid
    this.running = program.ended.then(() => {
      if (this.#closedMs === undefined && !this.#stopping) throw program.failure('ended too early')
    })
    this.running.catch(() => {})
  }

  openWindow(): void {
    this.#openedMs = Date.now()
  }

  closeWindow(): void {
    this.#closedMs = Date.now()
  }

  async stop(): Promise<Durations> {
    this.#stopping = true
    const pair = new Histogram()
    if (this.#closedMs === undefined) {
      await this.#program.stop()
    } else {
      // to its own end, or the last lines of its log would not be written
      const end = await this.#program.ended
      if (end !== 'exit code 0') throw this.#program.failure('failed')
      for (const file of await this.#files()) await this.#read(file, pair, this.#closedMs)
    }
    for (const file of await this.#files()) await rm(file)
    return new Map([['pair', pair]])
  }

  /** One a thread. */
  async #files(): Promise<string[]> {
    const folder = dirname(this.#logs)
    const names = await readdir(folder)
    return names.filter(name => name.startsWith(`${basename(this.#logs)}.`)).map(name => join(folder, name))
  }

  async #read(file: string, pair: Histogram, closedMs: number): Promise<void> {
    for await (const line of createInterface(createReadStream(file))) {
      const { endedMs, durationMs } = parseLogLine(line)
      if (endedMs >= this.#openedMs && endedMs < closedMs) pair.record(durationMs)
    }
  }
}
