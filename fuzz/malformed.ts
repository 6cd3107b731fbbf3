import fc from 'fast-check'
import { anyText } from './texts.ts'

/** Bytes for a connection of their own: requests that two programs could read in two ways, or that are none. */
export interface Form {
  readonly what: string
  /** One write each. */
  readonly parts: readonly Buffer[]
  /** Most answers that may come, interim ones left out. */
  readonly mostAnswers: number
  /** Whether the request at the end has to be answered. */
  readonly isLastAnswered: boolean
}

/** The request at the end of every form; whoever reads it as a request answers it and closes. */
const LAST = 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
export const LAST_ANSWERED = '{"status":"live"}'

/**
 * What makes the head of a request with a body ambiguous or wrong. `length` is that of its whole body, which has a
 * request hidden in it; whoever takes a shorter one would do what is hidden.
 */
const HEAD_FAULTS: Readonly<Record<string, (length: number) => string>> = {
  'a shorter length too': length => `Content-Length: ${length}\r\nContent-Length: 2\r\n`,
  'a shorter length ahead': length => `Content-Length: 2\r\nContent-Length: ${length}\r\n`,
  'no length at all in a list': length => `Content-Length: ${length}, 0\r\n`,
  'a length of 0 in a list': length => `Content-Length: 0, ${length}\r\n`,
  'an empty length': () => 'Content-Length:\r\n',
  'a length with a sign': length => `Content-Length: +${length}\r\n`,
  'a negative length': length => `Content-Length: -${length}\r\n`,
  'a length in hexadecimal': length => `Content-Length: 0x${length.toString(16)}\r\n`,
  'a length with a space in it': length => `Content-Length: 2 ${length}\r\n`,
  'a length with a letter': length => `Content-Length: ${length}a\r\n`,
  'a length behind a control character': length => `Content-Length: \x0b${length}\r\n`,
  'a length past 64 bits': () => 'Content-Length: 18446744073709551618\r\n',
  'a length past 64 bits by far': () => `Content-Length: ${'9'.repeat(100)}\r\n`,
  'a space ahead of the colon': length => `Content-Length : ${length}\r\n`,
  'a tab ahead of the colon': length => `Content-Length\t: ${length}\r\n`,
  'a folded length': length => `Content-Length:\r\n ${length}\r\n`,
  'a length in a folded header': length => `X: a\r\n Content-Length: ${length}\r\n`,
  'a length behind a line feed': length => `X: a\nContent-Length: ${length}\r\n`,
  'a length behind a carriage return': length => `X: a\rContent-Length: ${length}\r\n`,
  'a length behind NUL': length => `X: a\0\r\nContent-Length: ${length}\r\n`,
  'a name with NUL': length => `Content-Length\0: ${length}\r\n`,
  'both lengths': length => `Content-Length: ${length}\r\nTransfer-Encoding: chunked\r\n`,
  'both lengths the other way': length => `Transfer-Encoding: chunked\r\nContent-Length: ${length}\r\n`,
  'another coding': length => `Content-Length: ${length}\r\nTransfer-Encoding: identity\r\n`,
  'a coding nearly chunked': length => `Content-Length: ${length}\r\nTransfer-Encoding: xchunked\r\n`,
  'a coding in quotes': length => `Content-Length: ${length}\r\nTransfer-Encoding: "chunked"\r\n`,
  'a coding with a parameter': length => `Content-Length: ${length}\r\nTransfer-Encoding: chunked;a=b\r\n`,
  'a coding behind a comma': length => `Content-Length: ${length}\r\nTransfer-Encoding: ,chunked\r\n`,
  'a coding behind a vertical tab': length =>
    `Content-Length: ${length}\r\nTransfer-Encoding: \x0bchunked\r\n`,
  'a folded coding': length => `Content-Length: ${length}\r\nTransfer-Encoding:\r\n chunked\r\n`,
  'a coding ahead of a colon': length => `Content-Length: ${length}\r\nTransfer-Encoding : chunked\r\n`,
  'a header without a colon': length => `nonsense\r\nContent-Length: ${length}\r\n`,
  'an empty name': length => `: x\r\nContent-Length: ${length}\r\n`,
}

/** What is wrong with the first chunk of a body in chunks; the hidden request is in it, or in another one. */
const CHUNK_FAULTS: Readonly<Record<string, (hidden: string) => string>> = {
  'a negative chunk': hidden => `-2\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk in 0x': hidden => `0x${size(hidden)}\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk past 64 bits': hidden => `${'f'.repeat(16)}${size(hidden)}\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk past 64 bits by far': hidden => `1${'0'.repeat(300)}\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk with a space': hidden => `${size(hidden)} \r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk behind a space': hidden => ` ${size(hidden)}\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk without a size': hidden => `\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk that is longer than it says': hidden => `2\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk that is one shorter': hidden => `${(hidden.length + 1).toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
  'a chunk that ends in a line feed': hidden => `${size(hidden)}\n${hidden}\r\n0\r\n\r\n`,
  'chunk data that ends in a line feed': hidden => `${size(hidden)}\r\n${hidden}\n0\r\n\r\n`,
  'an extension that ends in a line feed': hidden => `2;a\nxx\r\n${size(hidden)}\r\n${hidden}\r\n0\r\n\r\n`,
  'an extension with a carriage return': hidden =>
    `2;a\rb\r\nxx\r\n${size(hidden)}\r\n${hidden}\r\n0\r\n\r\n`,
  'an extension of 20,000 bytes': hidden =>
    `2;${'a'.repeat(20_000)}\r\nxx\r\n${size(hidden)}\r\n${hidden}\r\n0\r\n\r\n`,
  'an extension in open quotes': hidden => `2;a="\r\n${hidden}`,
  'a last chunk with a sign': hidden => `${size(hidden)}\r\n${hidden}\r\n+0\r\n\r\n`,
  'a last chunk of many zeros': hidden => `${size(hidden)}\r\n${hidden}\r\n${'0'.repeat(500)}\r\n\r\n`,
  'a trailer that is a length': hidden => `${size(hidden)}\r\n${hidden}\r\n0\r\nContent-Length: 9\r\n\r\n`,
  'a trailer that is a coding': hidden =>
    `${size(hidden)}\r\n${hidden}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n`,
  'a trailer without a colon': hidden => `${size(hidden)}\r\n${hidden}\r\n0\r\nnonsense\r\n\r\n`,
}

/** Heads that are refused, answered, or end the connection; nothing is hidden in them. */
const HEADS: readonly string[] = [
  'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  'TRACE / HTTP/1.1\r\nHost: x\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET / HTTP/1.2\r\nHost: x\r\n\r\n',
  'GET / HTTP/0.9\r\n\r\n',
  'GET /\r\n\r\n',
  'GET / HTTP/1.0\r\n\r\n',
  'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'get / HTTP/1.1\r\nHost: x\r\n\r\n',
  'BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET / http/1.1\r\nHost: x\r\n\r\n',
  'GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n',
  'GET  /  HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET / HTTP/1.1\nHost: x\n\n',
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n',
  'GET / HTTP/1.1\r\n Host: x\r\n\r\n',
  'GET http://x/livez HTTP/1.1\r\nHost: y\r\n\r\n',
  'GET http://u:p@x/livez HTTP/1.1\r\nHost: y\r\n\r\n',
  'GET //x/livez HTTP/1.1\r\nHost: y\r\n\r\n',
  'GET /livez#x HTTP/1.1\r\nHost: y\r\n\r\n',
  'GET /livez HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'POST /v1/keys HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}',
  'POST /v1/keys HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}',
  'POST /v1/keys HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n{}',
  'POST /v1/keys HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  `GET /livez HTTP/1.1\r\nHost: x\r\n${'a:\r\n'.repeat(3000)}\r\n`,
  '\r\n\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  '\0\0\0\0',
]

function size(text: string): string {
  return text.length.toString(16)
}

/** `hidden`: a request that would take something from somebody. `key`: for requests that are granted. */
export function forms(hidden: string, key: string): fc.Arbitrary<Form> {
  const head = (target: string) =>
    `POST ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`
  const target = fc.constantFrom(
    '/v1/namespaces/FUZZ%2Fmain/locks',
    '/v1/sessions',
    '/v2/authorize',
    '/locks',
    '/nowhere',
    '/lfs/FUZZ%2Fmain/repo/locks',
  )
  const body = `{"a":"${' '.repeat(8)}"}${hidden}`
  const inHead = fc
    .tuple(fc.constantFrom(...Object.entries(HEAD_FAULTS)), target)
    .map(([[what, fault], to]) => ({
      what,
      bytes: `${head(to)}${fault(body.length)}\r\n${body}`,
      mostAnswers: 1,
      isLastAnswered: false,
    }))
  const inChunks = fc
    .tuple(fc.constantFrom(...Object.entries(CHUNK_FAULTS)), target)
    .map(([[what, fault], to]) => ({
      what,
      bytes: `${head(to)}Transfer-Encoding: chunked\r\n\r\n${fault(hidden)}`,
      mostAnswers: 2,
      isLastAnswered: false,
    }))
  const heads = fc.constantFrom(...HEADS).map(bytes => ({
    what: JSON.stringify(bytes.slice(0, 60)),
    bytes,
    mostAnswers: 2,
    isLastAnswered: false,
  }))
  const whole = `GET /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`
  const piped = fc.integer({ min: 2, max: 200 }).map(count => ({
    what: 'requests behind each other',
    bytes: whole.repeat(count),
    mostAnswers: count + 1,
    isLastAnswered: true,
  }))
  const sound = `${head('/v1/namespaces/FUZZ%2Fmain/locks')}Content-Length: 37\r\n\r\n{"resources":[{"type":"a","id":"raw"}]}`
  const altered = fc.array(alteration, { minLength: 1, maxLength: 3 }).map(changes => ({
    what: 'bytes altered',
    bytes: changes.reduce((bytes, change) => change(bytes), whole + sound),
    mostAnswers: 20,
    isLastAnswered: false,
  }))
  const any = fc.oneof(
    { weight: 5, arbitrary: inHead },
    { weight: 4, arbitrary: inChunks },
    { weight: 4, arbitrary: heads },
    { weight: 1, arbitrary: piped },
    { weight: 4, arbitrary: altered },
  )
  const cuts = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fc.nat(), { maxLength: 6 }) },
  )
  return fc
    .tuple(any, cuts)
    .map(([{ bytes, ...form }, at]) => ({ ...form, parts: cutUp(Buffer.from(bytes + LAST, 'latin1'), at) }))
}

/** A change of bytes anywhere. Nothing may be hidden in what is altered: it could come to mean what it says. */
const alteration: fc.Arbitrary<(bytes: string) => string> = fc.oneof(
  fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]) => (bytes: string) => {
    const index = at % bytes.length
    return bytes.slice(0, index) + String.fromCharCode(byte) + bytes.slice(index + 1)
  }),
  fc.tuple(fc.nat(), fc.nat({ max: 40 })).map(([at, count]) => (bytes: string) => {
    const index = at % bytes.length
    return bytes.slice(0, index) + bytes.slice(index + count)
  }),
  fc.tuple(fc.nat(), fc.nat({ max: 40 })).map(([at, count]) => (bytes: string) => {
    const index = at % bytes.length
    return bytes.slice(0, index + count) + bytes.slice(index)
  }),
  fc.tuple(fc.nat(), anyText).map(([at, text]) => (bytes: string) => {
    const index = at % bytes.length
    return bytes.slice(0, index) + Buffer.from(text).toString('latin1') + bytes.slice(index)
  }),
  fc
    .tuple(fc.nat(), fc.constantFrom('\r\n', '\n', '\r', '\0', ' ', '\t', ':', '\r\n\r\n', '\x7f', '\xff'))
    .map(([at, sign]) => (bytes: string) => {
      const index = at % bytes.length
      return bytes.slice(0, index) + sign + bytes.slice(index)
    }),
)

function cutUp(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [0, ...cuts.map(cut => cut % bytes.length).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}
