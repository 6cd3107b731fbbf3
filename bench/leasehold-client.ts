import type { HttpAnswer } from './http-answer.ts'
import { expectStatus, type HttpConnection, httpRequest, openHttp } from './http-connection.ts'

/** A lock service that speaks Leasehold's API. */
export interface Address {
  readonly port: number
  readonly key: string
}

/** What an acquire came to. */
export type Acquired = { readonly lock: string } | { readonly refused: number }

/** The calls of the API that are measured, on a connection of its own. */
export class LeaseholdClient {
  readonly #connection: HttpConnection
  readonly #headers: string

  private constructor(connection: HttpConnection, key: string) {
    this.#connection = connection
    this.#headers = `Authorization: Bearer ${key}\r\n`
  }

  static async open({ port, key }: Address): Promise<LeaseholdClient> {
    return new LeaseholdClient(await openHttp(port), key)
  }

  close(): void {
    this.#connection.close()
  }

  /** Rejects unless the lock is granted. Without a session the lock gets one of its own. */
  async acquire(namespace: string, id: string, session?: string): Promise<string> {
    return lockIn(expectStatus(await this.#acquire(namespace, id, session), 201, 'an acquire'))
  }

  /** The same where a refusal is an answer: the status is one of `refusals` then. */
  async tryAcquire(namespace: string, id: string, refusals: readonly number[]): Promise<Acquired> {
    const answer = await this.#acquire(namespace, id, undefined)
    if (refusals.includes(answer.status)) return { refused: answer.status }
    return { lock: lockIn(expectStatus(answer, 201, 'an acquire')) }
  }

  async release(namespace: string, lock: string): Promise<void> {
    expectStatus(await this.#send('DELETE', `/v1/namespaces/${namespace}/locks/${lock}`), 204, 'a release')
  }

  /** Reads a lock. */
  async look(namespace: string, lock: string): Promise<void> {
    expectStatus(
      await this.#send('GET', `/v1/namespaces/${namespace}/locks/${lock}`),
      200,
      'a look at a lock',
    )
  }

  async startSession(id: string, ttlSeconds: number): Promise<void> {
    const answer = await this.#send('POST', '/v1/sessions', JSON.stringify({ id, ttl: ttlSeconds }))
    expectStatus(answer, 201, 'the start of a session')
  }

  async endSession(id: string): Promise<void> {
    expectStatus(await this.#send('DELETE', `/v1/sessions/${id}`), 204, 'the end of a session')
  }

  async touch(session: string): Promise<void> {
    expectStatus(await this.#send('PUT', `/v1/sessions/${session}`), 200, 'a touch')
  }

  /** Reads a page of locks from after a cursor. */
  async list(namespace: string, limit: number, cursor: string | null): Promise<ListPage> {
    const after = cursor === null ? '' : `&cursor=${cursor}`
    const answer = await this.#send('GET', `/v1/namespaces/${namespace}/locks?limit=${limit}${after}`)
    const { body } = expectStatus(answer, 200, 'a list')
    // not the whole of it: parsing would cost as much as the service spends on it
    const next = /"next_cursor":(?:null|"([^"]*)")\}$/.exec(body)
    if (next === null) throw new Error(`a list without next_cursor: ${body.slice(-200)}`)
    return { locks: body.split('"fencing_token"').length - 1, nextCursor: next[1] ?? null }
  }

  #acquire(namespace: string, id: string, session: string | undefined): Promise<HttpAnswer> {
    const named = session === undefined ? '' : `,"session":"${session}"`
    return this.#send(
      'POST',
      `/v1/namespaces/${namespace}/locks`,
      `{"resources":[{"type":"item","id":"${id}"}]${named}}`,
    )
  }

  #send(method: string, path: string, body?: string): Promise<HttpAnswer> {
    return this.#connection.send(httpRequest(method, path, this.#headers, body))
  }
}

export interface ListPage {
  readonly locks: number
  readonly nextCursor: string | null
}

/** The first id that is a number, which no resource has here. */
function lockIn({ body }: HttpAnswer): string {
  const id = /"id":"(\d+)"/.exec(body)?.[1]
  if (id === undefined) throw new Error(`a grant without the id of a lock: ${body.slice(0, 500)}`)
  return id
}
