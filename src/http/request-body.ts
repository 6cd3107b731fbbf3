import type { IncomingMessage } from 'node:http'
import getRawBody from 'raw-body'
import typeis from 'type-is'
import { Refusal } from '../locks/errors.ts'

export interface BodyRules {
  readonly limitBytes: number
  /** Media types as type-is writes them: `application/json`, `application/*+json`. */
  readonly mediaTypes: readonly string[]
}

/** The client went away before its request had arrived. There is nobody to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/**
 * The bytes of a request's body; empty where it has none, whatever its headers say of a type: several clients
 * send a Content-Type with a Content-Length of 0. Refuses other media types, encodings and sizes.
 */
export async function readBody(request: IncomingMessage, rules: BodyRules): Promise<Buffer> {
  const declaredLength = request.headers['content-length']
  const isChunked = request.headers['transfer-encoding'] !== undefined
  if (!isChunked && (declaredLength === undefined || Number(declaredLength) === 0)) return Buffer.alloc(0)
  if (!isChunked) requireMediaType(request, rules)
  const bytes = await readBytes(request, rules.limitBytes)
  // a chunked body shows only now whether it is one
  if (isChunked && bytes.length > 0) requireMediaType(request, rules)
  return bytes
}

export function requireMediaType(request: IncomingMessage, { mediaTypes }: BodyRules): void {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    unsupported('header Content-Encoding', `${shown(encoding)} is not supported: send the body as it is`)
  }
  const contentType = request.headers['content-type']
  if (contentType === undefined) {
    unsupported('header Content-Type', `is missing: send ${mediaTypes.join(' or ')}`)
  }
  if (typeis.is(contentType, [...mediaTypes]) === false) {
    unsupported(
      'header Content-Type',
      `${shown(contentType)} is not supported: send ${mediaTypes.join(' or ')}`,
    )
  }
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1]
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    unsupported('header Content-Type', `charset ${shown(charset)} is not supported: send UTF-8`)
  }
}

function unsupported(field: string, message: string): never {
  throw new Refusal('unsupported_media_type', `the body cannot be read: ${field.slice(7)} ${message}`, {
    fields: [{ field, message }],
  })
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
}

async function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  try {
    return await getRawBody(request, { limit: limitBytes, length: request.headers['content-length'] ?? null })
  } catch (error) {
    const type = error instanceof Error && 'type' in error ? error.type : undefined
    if (type === 'entity.too.large') {
      // what is still on its way is read and dropped: closing at once would reset the connection, and the
      // client would never see why. The server's request time-out ends it.
      request.resume()
      throw new Refusal('payload_too_large', `the body is larger than ${limitBytes} bytes`)
    }
    if (type === 'request.aborted' || request.destroyed) throw new ClientGone('the client went away')
    throw error
  }
}
