import { randomUUID } from 'node:crypto'
import type { ErrorCode } from '../locks/errors.ts'
import { ERROR_ANSWERS } from './failure.ts'
import { PROBLEM_TYPE, problemType } from './problem.ts'

/**
 * The bytes of the answer to what Node could not read as a request, the last ones of its connection. `error`: of Node's
 * event clientError.
 */
export function refusalOf(error: NodeJS.ErrnoException): string {
  const { status, reason, code, detail } = kindOf(error)
  const requestId = randomUUID()
  const body = JSON.stringify({
    type: problemType(code),
    title: ERROR_ANSWERS[code].title,
    status,
    detail,
    code,
    request_id: requestId,
  })
  return (
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${requestId}\r\n` +
    `X-Content-Type-Options: nosniff\r\n\r\n${isOfHead(error) ? '' : body}`
  )
}

/** Whether what could not be read begins as a HEAD: whoever asks with that takes a body for the next answer. */
function isOfHead({ rawPacket }: NodeJS.ErrnoException & { readonly rawPacket?: Buffer }): boolean {
  return rawPacket?.toString('latin1', 0, 5) === 'HEAD '
}

interface Kind {
  readonly status: number
  readonly reason: string
  readonly code: ErrorCode
  readonly detail: string
}

function kindOf(error: NodeJS.ErrnoException): Kind {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: 431,
        reason: 'Request Header Fields Too Large',
        code: 'invalid_request',
        detail: 'the head of the request is too large',
      }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: 408,
        reason: 'Request Timeout',
        code: 'invalid_request',
        detail: 'the request did not arrive in time',
      }
    default:
      return {
        status: 400,
        reason: 'Bad Request',
        code: 'invalid_request',
        detail: 'this is not a whole HTTP/1.1 request',
      }
  }
}
