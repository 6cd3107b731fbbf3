import { Agent, request } from 'node:http'
import type { AnyJson } from './any-json.ts'
import { ADMIN_KEY } from './service-process.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: AnyJson
}

/** A REST client with keep-alive connections of its own. Rejects where no whole answer comes. */
export class Client {
  readonly url: string
  readonly #agent: Agent
  readonly #key: string

  constructor(url: string, options: { key?: string; connections?: number } = {}) {
    this.url = url
    this.#key = options.key ?? ADMIN_KEY
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections ?? 8 })
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const sent = request(
        `${this.url}${path}`,
        {
          method,
          agent: this.#agent,
          headers: {
            authorization: `Bearer ${this.#key}`,
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          },
        },
        response => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('aborted', () => reject(new Error('the answer was cut')))
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            const isJson = (response.headers['content-type'] ?? '').includes('json')
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: text === '' ? undefined : isJson ? JSON.parse(text) : text,
            })
          })
        },
      )
      sent.on('error', reject)
      sent.end(payload)
    })
  }

  acquire(ids: string | readonly string[], options: object = {}): Promise<Answer> {
    const resources = [ids].flat().map(id => ({ type: 'thing', id }))
    return this.call('POST', '/v1/namespaces/tests/locks', { resources, ...options })
  }

  touch(lockId: string): Promise<Answer> {
    return this.call('PUT', `/v1/namespaces/tests/locks/${lockId}`)
  }

  release(lockId: string): Promise<Answer> {
    return this.call('DELETE', `/v1/namespaces/tests/locks/${lockId}`)
  }

  close(): void {
    this.#agent.destroy()
  }
}
