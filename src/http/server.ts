import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ErrorCode } from '../locks/errors.ts'
import { originOf } from './client-address.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { ERROR_ANSWERS } from './failure.ts'
import { PROBLEM_TYPE, problemType } from './problem.ts'

export interface HttpLimits {
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly connectionsCheckingIntervalMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxConnections: number
  /** From one address; 0: as many as there are. */
  readonly maxConnectionsPerClient: number
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxHeaderBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  connectionsCheckingIntervalMs: 5_000,
  // above the 60 s after which common balancers drop an idle connection: whoever closes first may cut off a
  // request that the other has just sent
  keepAliveTimeoutMs: 65_000,
  maxConnections: 10_000,
  maxConnectionsPerClient: 0,
}

/** Told of a connection that was closed at once, and by which limit. */
export type RefusedConnection = (limit: 'in_all' | 'per_client') => void

/** How often a drain looks for sockets that have gone idle. */
const DRAIN_TICK_MS = 25

/**
 * How long a socket that has said nothing yet is left open while draining: its first request may be on its
 * way. Browsers and balancers open sockets ahead of need, and would hold up the drain to its deadline.
 */
const SILENT_GRACE_MS = 500

export class HttpServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #perClient: ConnectionCounts | undefined
  readonly #refused: RefusedConnection
  /** The answer that each socket is at. */
  readonly #answers = new Map<Duplex, ServerResponse>()
  #isDraining = false

  constructor(
    handle: (request: IncomingMessage, response: ServerResponse) => unknown,
    limits: HttpLimits = DEFAULT_HTTP_LIMITS,
    refused: RefusedConnection = () => {},
  ) {
    this.#refused = refused
    this.#server = createServer({
      // Node's own refusal would have no body; the application refuses instead
      requireHostHeader: false,
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.connectionsCheckingIntervalMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
    })
    this.#server.maxConnections = limits.maxConnections
    this.#server.on('drop', () => this.#refused('in_all'))
    if (limits.maxConnectionsPerClient > 0) {
      this.#perClient = new ConnectionCounts(limits.maxConnectionsPerClient)
    }
    this.#server.on('connection', socket => this.#welcome(socket))
    this.#server.on('request', (request, response) => {
      const { socket } = request
      this.#answers.set(socket, response)
      response.once('close', () => {
        if (this.#answers.get(socket) === response) this.#answers.delete(socket)
      })
      if (this.#isDraining) response.setHeader('Connection', 'close')
      handle(request, response)
    })
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#refuse(error, socket))
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Port 0 takes any free one; the answer says which. Rejects with the system's error, EADDRINUSE for one. */
  async listen(address: { host: string; port: number }): Promise<{ host: string; port: number }> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(address, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    const { address: host, port } = this.#server.address() as AddressInfo
    return { host, port }
  }

  /**
   * Stops accepting, answers what is under way, and resolves when the last socket is closed. At the deadline
   * whatever is left is cut.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true
    const started = performance.now()
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const response of this.#answers.values()) {
      if (!response.headersSent) response.setHeader('Connection', 'close')
    }
    // close() drops the sockets that are idle now; one that goes idle later would stay until its time-out
    const tick = setInterval(() => {
      this.#server.closeIdleConnections()
      if (performance.now() - started > SILENT_GRACE_MS) this.#closeSilent()
    }, DRAIN_TICK_MS)
    const deadline = setTimeout(() => this.#server.closeAllConnections(), deadlineMs)
    await closed
    clearInterval(tick)
    clearTimeout(deadline)
  }

  /**
   * One too many is closed without a word, as Node does with those past maxConnections. Nothing was asked on it yet, so
   * an answer would be to nothing: clients that keep connections open ahead of need take it for an error of the
   * protocol, and one that is writing gets a reset before it has read it. A closed connection every client knows, and
   * it costs nothing.
   */
  #welcome(socket: Socket): void {
    const origin = this.#perClient === undefined ? '' : originOf(socket)
    if (this.#perClient?.add(origin) === false) {
      this.#refused('per_client')
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#perClient?.remove(origin)
    })
  }

  /** Node counts a socket that has sent nothing as busy. */
  #closeSilent(): void {
    for (const socket of this.#sockets) {
      if (socket.bytesRead === 0) socket.destroy()
    }
  }

  /** Answers what Node could not read as a request: no request id came with it, no route is known. */
  #refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    const answer = this.#answers.get(socket)
    // while a whole request is being answered, this would be read as its answer, or into the middle of it: an
    // acquire that is granted would look refused
    if (!socket.writable || error.code === 'ECONNRESET' || answer?.headersSent || answer?.req.complete) {
      socket.destroy()
      return
    }
    const { status, reason, code, detail } = refusalOf(error)
    const requestId = randomUUID()
    const body = JSON.stringify({
      type: problemType(code),
      title: ERROR_ANSWERS[code].title,
      status,
      detail,
      code,
      request_id: requestId,
    })
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${requestId}\r\n` +
        `X-Content-Type-Options: nosniff\r\n\r\n${body}`,
    )
  }
}

interface SocketRefusal {
  readonly status: number
  readonly reason: string
  readonly code: ErrorCode
  readonly detail: string
}

function refusalOf(error: NodeJS.ErrnoException): SocketRefusal {
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
