import { Connection } from './connection.ts'
import { type HttpAnswer, readHttpAnswer } from './http-answer.ts'

export type HttpConnection = Connection<HttpAnswer>

export function openHttp(port: number): Promise<HttpConnection> {
  return Connection.open(port, readHttpAnswer)
}

/** A request of HTTP/1.1; `headers` are whole lines, each with its line break. The body has to be ASCII. */
export function httpRequest(method: string, path: string, headers: string, body?: string): string {
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}`
  if (body === undefined) return `${head}\r\n`
  return `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** Throws on every other status: a benchmark of refusals would look fast. */
export function expectStatus(answer: HttpAnswer, status: number, what: string): HttpAnswer {
  if (answer.status === status) return answer
  throw new Error(`${what} was answered ${answer.status} instead of ${status}: ${answer.body.slice(0, 500)}`)
}
