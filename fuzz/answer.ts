/** An answer of HTTP/1.1 as it came. */
export interface Answer {
  readonly status: number
  /** By their names in lower case; of several with one name, all, with line breaks between them. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

const END_OF_HEAD = '\r\n\r\n'

/** Bytes that are no answer of HTTP/1.1. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/**
 * The first answer that these bytes have, and where it ends; undefined while some of it is missing. An answer to HEAD
 * has no body, whatever its headers say of one. `isEnd`: nothing more will come.
 */
export function readAnswer(
  bytes: Buffer,
  { isHead = false, isEnd = false } = {},
): { readonly answer: Answer; readonly end: number } | undefined {
  const endOfHead = bytes.indexOf(END_OF_HEAD)
  if (endOfHead < 0) return undefined
  const [first = '', ...fields] = bytes.toString('latin1', 0, endOfHead).split('\r\n')
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]
  if (status === undefined) throw new NoAnswer(`it begins with ${JSON.stringify(first.slice(0, 80))}`)
  const headers = headersOf(fields)
  const start = endOfHead + END_OF_HEAD.length
  const found = (body: Buffer, end: number) => ({ answer: { status: Number(status), headers, body }, end })
  if (isHead || status === '204' || status === '304' || status.startsWith('1')) {
    return found(Buffer.alloc(0), start)
  }
  if (headers.get('transfer-encoding') === 'chunked') {
    const chunks = readChunks(bytes, start)
    return chunks && found(chunks.body, chunks.end)
  }
  const length = headers.get('content-length')
  if (length === undefined) return isEnd ? found(bytes.subarray(start), bytes.length) : undefined
  const end = start + Number(length)
  return bytes.length < end ? undefined : found(bytes.subarray(start, end), end)
}

function headersOf(fields: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (const field of fields) {
    const colon = field.indexOf(':')
    if (colon <= 0) throw new NoAnswer(`a header is ${JSON.stringify(field.slice(0, 80))}`)
    const name = field.slice(0, colon).toLowerCase()
    const value = field.slice(colon + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}\n${value}`)
  }
  return headers
}

function readChunks(bytes: Buffer, start: number): { body: Buffer; end: number } | undefined {
  const parts: Buffer[] = []
  for (let at = start; ; ) {
    const endOfSize = bytes.indexOf('\r\n', at)
    if (endOfSize < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, endOfSize), 16)
    if (Number.isNaN(size)) throw new NoAnswer('a chunk does not say how long it is')
    const next = endOfSize + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { body: Buffer.concat(parts), end: next }
    parts.push(bytes.subarray(endOfSize + 2, endOfSize + 2 + size))
    at = next
  }
}
