export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

const END_OF_HEAD = '\r\n\r\n'

/**
 * The answer that these bytes are, or undefined while some of it is missing. Throws where they are no HTTP/1.1
 * answer, or more than one: only one request is under way on a connection.
 */
export function readHttpAnswer(bytes: Buffer): HttpAnswer | undefined {
  const endOfHead = bytes.indexOf(END_OF_HEAD)
  if (endOfHead < 0) return undefined
  const head = bytes.toString('latin1', 0, endOfHead)
  if (!head.startsWith('HTTP/1.1 ')) throw new Error(`not an answer of HTTP/1.1: ${head.slice(0, 80)}`)
  const status = Number(head.slice(9, 12))
  const body = bytes.subarray(endOfHead + END_OF_HEAD.length)
  if (status === 204 || status === 304) return whole(status, body, 0)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) return whole(status, body, Number(length))
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return wholeOfChunks(status, body)
  throw new Error(`an answer ${status} that does not say how long it is`)
}

function whole(status: number, body: Buffer, length: number): HttpAnswer | undefined {
  if (body.length < length) return undefined
  refuseSurplus(body.length - length)
  return { status, body: body.toString('utf8', 0, length) }
}

function wholeOfChunks(status: number, body: Buffer): HttpAnswer | undefined {
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const endOfSize = body.indexOf('\r\n', at)
    if (endOfSize < 0) return undefined
    const size = Number.parseInt(body.toString('latin1', at, endOfSize), 16)
    if (Number.isNaN(size)) throw new Error('a chunk that does not say how long it is')
    const start = endOfSize + 2
    const next = start + size + 2
    if (body.length < next) return undefined
    if (size === 0) {
      refuseSurplus(body.length - next)
      return { status, body: Buffer.concat(parts).toString() }
    }
    parts.push(body.subarray(start, start + size))
    at = next
  }
}

function refuseSurplus(bytes: number): void {
  if (bytes > 0) throw new Error(`${bytes} bytes came after the answer that was asked for`)
}
