import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { originOf } from './client-address.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { type FailedAccepts, toldNowAndThen } from './failed-accepts.ts'
import { refusalOf } from './unreadable-request.ts'

export interface HttpLimits {
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly connectionsCheckingIntervalMs: number
  readonly keepAliveTimeoutMs: number
  /** For which an answer that is given may wait for its client to read any of it. */
  readonly unreadTimeoutMs: number
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
  unreadTimeoutMs: 30_000,
  maxConnections: 10_000,
  maxConnectionsPerClient: 0,
}

interface Connection {
  /** The answer that it is at. */
  answer: ServerResponse | undefined
  /** Requests that are not answered yet. */
  underWay: number
  isPausing: boolean
  /** Nothing more is taken from it. */
  isEnding: boolean
  /** When its last answer was given, where the request has not come whole; of performance.now(). */
  lingeringSince: number | undefined
}

/** Told of a connection that was closed at once, and by which limit. */
export type RefusedConnection = (limit: 'in_all' | 'per_client') => void

/**
 * Requests of one connection that may be under way before it is read on. What came in the same read of 64 KiB is begun
 * all the same.
 */
const MAX_PIPELINED = 64

/** How often a drain looks for sockets that have gone idle. */
const DRAIN_TICK_MS = 25

/**
 * How long a socket that has said nothing yet is left open while draining: its first request may be on its
 * way. Browsers and balancers open sockets ahead of need, and would hold up the drain to its deadline.
 */
const SILENT_GRACE_MS = 500

/** How long a drain lets a client that has its answer go on with its request. */
const LINGERING_GRACE_MS = 500

export class HttpServer {
  readonly #server: Server
  readonly #sockets = new Map<Duplex, Connection>()
  readonly #perClient: ConnectionCounts | undefined
  readonly #refused: RefusedConnection
  readonly #noteFailedAccept: (error: Error) => void
  readonly #unreadTimeoutMs: number
  #isDraining = false
  #isSparing = false

  constructor(
    handle: (request: IncomingMessage, response: ServerResponse) => unknown,
    limits: HttpLimits = DEFAULT_HTTP_LIMITS,
    refused: RefusedConnection = () => {},
    failedAccepts: FailedAccepts = () => {},
  ) {
    this.#refused = refused
    this.#noteFailedAccept = toldNowAndThen(failedAccepts)
    this.#unreadTimeoutMs = limits.unreadTimeoutMs
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
    // all that fit into the head: Node would drop those past 2,000 without a word
    this.#server.maxHeadersCount = 0
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      if (!this.#begin(request, response)) return
      if (this.#isDraining) response.setHeader('Connection', 'close')
      handle(request, response)
    }
    this.#server.on('request', answer)
    // whoever reads the body says that it may come, and what else can be expected is refused like any bad header
    this.#server.on('checkContinue', answer)
    this.#server.on('checkExpectation', answer)
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
        // without a listener, one connection that cannot be taken (no file descriptor is left) would end the process
        this.#server.on('error', this.#noteFailedAccept)
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
    const closed = new Promise<void>(resolve => this.#sparing(() => this.#server.close(() => resolve())))
    for (const { answer } of this.#sockets.values()) {
      if (answer?.headersSent === false) answer.setHeader('Connection', 'close')
    }
    // close() drops the sockets that are idle now; one that goes idle later would stay until its time-out
    const tick = setInterval(() => {
      this.#sparing(() => this.#server.closeIdleConnections())
      if (performance.now() - started > SILENT_GRACE_MS) this.#closeSilent()
      this.#closeLingering()
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
    const connection: Connection = {
      answer: undefined,
      underWay: 0,
      isPausing: false,
      isEnding: false,
      lingeringSince: undefined,
    }
    this.#sockets.set(socket, connection)
    const destroy = socket.destroy
    socket.destroy = error => {
      const isSpared = this.#isSparing && (socket.bytesRead === 0 || connection.underWay > 0)
      return isSpared ? socket : destroy.call(socket, error)
    }
    const closeAtOnce = socket.destroySoon
    // what Node calls when the last answer of a connection is given
    socket.destroySoon = () => {
      if (!linger(socket, connection)) closeAtOnce.call(socket)
    }
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.#perClient?.remove(origin)
    })
  }

  /**
   * Notes that an answer is under way. Node reads on while requests wait for their answers, without end: a client that
   * sends them behind each other would fill the memory. False: the request is not to be answered.
   *
   * Behind one that asks for an upgrade, which nobody takes up here, Node drops what came in the same read. What comes
   * later could be the rest of a body, and must not be taken for a request.
   */
  #begin({ socket, headers }: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#sockets.get(socket)
    if (connection === undefined || connection.isEnding) return false
    if (headers.upgrade !== undefined) {
      connection.isEnding = true
      response.setHeader('Connection', 'close')
    }
    connection.answer = response
    connection.underWay += 1
    if (connection.underWay >= MAX_PIPELINED && !connection.isPausing) {
      connection.isPausing = true
      // Node resumes at the end of each request, in the next tick: a pause has to come behind that
      process.nextTick(() => process.nextTick(() => pauseIfFull(socket, connection)))
    }
    response.once('prefinish', () => this.#boundReading(socket, response))
    response.once('close', () => {
      if (connection.answer === response) connection.answer = undefined
      connection.underWay -= 1
      if (connection.underWay === MAX_PIPELINED - 1) socket.resume()
    })
    return true
  }

  /**
   * Cuts off a client that does not read its answer: it would keep the answer and the connection for ever. Node closes
   * a socket that times out, and begins anew where the system has taken any bytes meanwhile, so that a slow client gets
   * all of it. Usual answers are with the system by now, and cost nothing here.
   */
  #boundReading(socket: Socket, response: ServerResponse): void {
    if (socket.writableLength === 0) return
    socket.setTimeout(this.#unreadTimeoutMs)
    // before Node's own listener, which sets the keep-alive time-out; behind a pipelined request it sets none
    response.prependOnceListener('finish', () => socket.setTimeout(0))
  }

  /**
   * Lets Node close the sockets that it calls idle, but for two kinds of them: those that have sent nothing, whose first
   * request may be on its way (idle since Node 26, nodejs/node#63470), and those whose last answer is not with the
   * system yet.
   */
  #sparing(closeIdle: () => void): void {
    this.#isSparing = true
    closeIdle()
    this.#isSparing = false
  }

  /** Before version 26, Node counts a socket that has sent nothing as busy. */
  #closeSilent(): void {
    for (const socket of this.#sockets.keys()) {
      if (socket instanceof Socket && socket.bytesRead === 0) socket.destroy()
    }
  }

  #closeLingering(): void {
    for (const [socket, { lingeringSince = Number.POSITIVE_INFINITY }] of this.#sockets) {
      if (performance.now() - lingeringSince > LINGERING_GRACE_MS) socket.destroy()
    }
  }

  /** Answers what Node could not read as a request: no request id came with it, no route is known. */
  #refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    const { answer, underWay = 0 } = this.#sockets.get(socket) ?? {}
    // something behind a request that said `Connection: close`: Node reads no more, and closes after the answer
    if (error.code === 'HPE_CLOSED_CONNECTION' && underWay > 0) return
    // while a whole request is being answered, this would be read as its answer, or into the middle of it: an
    // acquire that is granted would look refused. Of several under way all but the last are whole
    const isInTheWay = answer?.headersSent || answer?.req.complete || underWay > 1
    if (!socket.writable || error.code === 'ECONNRESET' || isInTheWay) {
      socket.destroy()
      return
    }
    socket.end(refusalOf(error))
  }
}

/**
 * Closes a connection for writing alone, while the request that was answered is still on its way: what comes of it is
 * read and dropped until it is whole. Closed at once, what comes afterwards would be met with a reset, which makes the
 * client's system throw away an answer that the client has not read yet (RFC 9112, section 9.6). A client that goes on
 * for too long is ended by the server's request time-out. False: nothing is on its way.
 */
function linger(socket: Socket, connection: Connection): boolean {
  const request = connection.answer?.req
  // of another one behind it, which nobody would be told of, nothing may be done
  if (request === undefined || request.complete || request.destroyed || connection.underWay > 1) return false
  connection.isEnding = true
  connection.lingeringSince = performance.now()
  request.once('close', () => socket.destroy())
  request.resume()
  socket.end()
  return true
}

function pauseIfFull(socket: Socket, connection: Connection): void {
  connection.isPausing = false
  if (connection.underWay >= MAX_PIPELINED) socket.pause()
}
