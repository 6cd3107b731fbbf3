import type { Draft, Memory } from './draft.ts'
import { wellFormed } from './texts.ts'

/** The bytes of a request, one write each. */
export interface Bytes {
  readonly parts: readonly Buffer[]
  readonly target: string
  readonly headLength: number
  /** False: the head alone is reason enough for a refusal, whatever is asked. */
  readonly isHeadProper: boolean
}

type Header = readonly [name: string, value: string]

/** What a draft is on the wire, with what only a running service knows put in. */
export function bytesOf(draft: Draft, signed: readonly Header[], memory: Memory): Bytes {
  const { method, framing } = draft
  const target = latin1(memory.resolve(draft.target))
  const body = bodyOf(draft.body, memory)
  const headers: Header[] = [['Host', '127.0.0.1'], ...signed, ...draft.headers]
  if (body !== undefined) {
    headers.push(
      framing === 'chunked' ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(body.length)],
    )
  }
  const lines = headers.map(([name, value]) => `${name}: ${memory.resolve(value)}`)
  lines.unshift(`${method} ${target} HTTP/1.1`)
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  return {
    parts: partsOf(head, body, framing),
    target,
    headLength: head.length,
    isHeadProper: isProper(headers),
  }
}

/** They may come once, or two programs would read two requests. */
const ONCE: readonly string[] = ['host', 'authorization', 'content-type']

function isProper(headers: readonly Header[]): boolean {
  const names = headers.map(([name]) => name.toLowerCase())
  return (
    ONCE.every(once => names.indexOf(once) === names.lastIndexOf(once)) &&
    headers.every(([name, value]) => name !== 'Expect' || value === '100-continue')
  )
}

function bodyOf(body: Draft['body'], memory: Memory): Buffer | undefined {
  if (body === undefined) return undefined
  return typeof body === 'string' ? Buffer.from(memory.resolve(body)) : Buffer.from(body)
}

function partsOf(head: Buffer, body: Buffer | undefined, framing: Draft['framing']): readonly Buffer[] {
  if (body === undefined) return [head]
  if (framing === 'length') return [Buffer.concat([head, body])]
  const middle = Math.floor(body.length / 2)
  const halves = [body.subarray(0, middle), body.subarray(middle)]
  if (framing === 'split') return [Buffer.concat([head, halves[0] ?? body]), halves[1] ?? body]
  const chunks = halves
    .filter(half => half.length > 0)
    .map(half => Buffer.concat([Buffer.from(`${half.length.toString(16)}\r\n`), half, Buffer.from('\r\n')]))
  return [head, ...chunks, Buffer.from('0\r\n\r\n')]
}

/** What is past one byte goes escaped: a target is bytes. */
function latin1(text: string): string {
  return wellFormed(text).replaceAll(/[^\x21-\xff]/gu, sign => encodeURIComponent(sign))
}
