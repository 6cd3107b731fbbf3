import type { IncomingMessage } from 'node:http'
import { Refusal } from '../locks/errors.ts'
import type { Json } from '../locks/lock.ts'
import { parseJson } from './json.ts'
import { ClientGone, requireMediaType } from './request-body.ts'

export const NDJSON = 'application/x-ndjson'

export interface LinesRules {
  /** Of the whole body. */
  readonly limitBytes: number
  /** Of one line. */
  readonly lineLimitBytes: number
}

const LINE_FEED = 0x0a

/**
 * The values of a body of JSON lines, one after the other, as they arrive: the text of the whole body is never
 * held. Empty lines are passed over. What is wrong with a line is told with its number.
 */
export async function* readLines(
  request: IncomingMessage,
  rules: LinesRules,
): AsyncGenerator<{ readonly line: number; readonly value: Json }> {
  requireMediaType(request, { mediaTypes: [NDJSON], limitBytes: rules.limitBytes })
  let rest: Buffer = Buffer.alloc(0)
  let total = 0
  let line = 0
  for await (const chunk of arriving(request)) {
    total += chunk.length
    if (total > rules.limitBytes) tooLarge(`the body is larger than ${rules.limitBytes} bytes`)
    let text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let end = text.indexOf(LINE_FEED); end !== -1; end = text.indexOf(LINE_FEED)) {
      line += 1
      if (end > rules.lineLimitBytes) lineTooLong(line, rules)
      const value = parseLine(text.subarray(0, end), line)
      if (value !== undefined) yield { line, value }
      text = text.subarray(end + 1)
    }
    if (text.length > rules.lineLimitBytes) lineTooLong(line + 1, rules)
    rest = text
  }
  const value = parseLine(rest, line + 1)
  if (value !== undefined) yield { line: line + 1, value }
}

async function* arriving(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    // leaving the loop of a plain one destroys the request, and what comes of it then stops the reading of its socket
    // for good: the connection would hang until the request's time-out, and the next request be answered with that
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
      throw new ClientGone('the client went away')
    }
    throw error
  } finally {
    // what is still on its way, where a line was refused, is read and dropped: see request-body.ts
    request.resume()
  }
}

function parseLine(bytes: Buffer, line: number): Json | undefined {
  if (bytes.every(isBlank)) return undefined
  try {
    return parseJson(bytes)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new Refusal(error.code, `line ${line}: ${error.message}`, {
      fields: error.fields.map(({ field, message }) => ({ field: `line ${line} ${field}`, message })),
    })
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d
}

function lineTooLong(line: number, { lineLimitBytes }: LinesRules): never {
  return tooLarge(`line ${line} is longer than ${lineLimitBytes} bytes`)
}

function tooLarge(message: string): never {
  throw new Refusal('payload_too_large', message)
}
