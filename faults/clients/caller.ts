import type { HttpAnswer } from '../../bench/http-answer.ts'
import { type HttpConnection, httpRequest, openHttp } from '../../bench/http-connection.ts'
import { nowUs } from '../history/clock.ts'

/** Where a service can be reached now. */
export interface Entrance {
  readonly service: string
  /** Undefined while nothing listens. */
  readonly port: number | undefined
}

/** A request that was sent, and what came back. */
export interface Exchange {
  readonly service: string
  readonly sentUs: number
  /** Undefined: no answer, or not a whole one. */
  readonly answeredUs: number | undefined
  readonly answer: HttpAnswer | undefined
  /** How long was waited in vain, in ms; undefined where there was an answer, or the connection was lost. */
  readonly gaveUpAfterMs: number | undefined
}

/** One client's way to the services: one connection with keep-alive, to another service after each trouble. */
export class Caller {
  readonly #entrances: readonly Entrance[]
  readonly #random: () => number
  readonly #patienceMs: number
  #connection: HttpConnection | undefined
  #service = ''

  /** Gives up on an answer after `patienceMs`, as a client with a deadline does. */
  constructor(entrances: readonly Entrance[], random: () => number, patienceMs: number) {
    this.#entrances = entrances
    this.#random = random
    this.#patienceMs = patienceMs
  }

  /** Undefined: nothing could be sent. */
  async exchange(method: string, path: string, key: string, body?: string): Promise<Exchange | undefined> {
    const connection = this.#connection ?? (await this.#connect())
    if (connection === undefined) return undefined
    const service = this.#service
    let gaveUpAfterMs: number | undefined
    const late = setTimeout(() => {
      gaveUpAfterMs = this.#patienceMs
      connection.close()
    }, this.#patienceMs)
    const sentUs = nowUs()
    try {
      const answer = await connection.send(
        httpRequest(method, path, `Authorization: Bearer ${key}\r\n`, body),
      )
      return { service, sentUs, answeredUs: nowUs(), answer, gaveUpAfterMs: undefined }
    } catch {
      this.leave()
      return { service, sentUs, answeredUs: undefined, answer: undefined, gaveUpAfterMs }
    } finally {
      clearTimeout(late)
    }
  }

  /** The next request goes to a service chosen anew. */
  leave(): void {
    this.#connection?.close()
    this.#connection = undefined
  }

  async #connect(): Promise<HttpConnection | undefined> {
    const open = this.#entrances.filter(({ port }) => port !== undefined)
    const chosen = open[Math.floor(this.#random() * open.length)]
    if (chosen?.port === undefined) return undefined
    try {
      this.#connection = await openHttp(chosen.port)
    } catch {
      return undefined
    }
    this.#service = chosen.service
    return this.#connection
  }
}
