import type { Socket } from 'node:net'
import { DEFAULT_HTTP_LIMITS } from '../src/http/server.ts'
import { open } from './line.ts'
import type { Verdict } from './rules.ts'

interface Kind {
  readonly what: string
  /** Sent at once. */
  readonly first: string
  /** Sent a piece a second, over and over. */
  readonly piece: string
  /** How long the service may take it. */
  readonly limitMs: number
}

const { headersTimeoutMs, requestTimeoutMs, connectionsCheckingIntervalMs } = DEFAULT_HTTP_LIMITS

const KINDS: readonly Kind[] = [
  { what: 'nothing is sent', first: '', piece: '', limitMs: headersTimeoutMs },
  { what: 'a first line that does not end', first: 'GET /', piece: 'x', limitMs: headersTimeoutMs },
  {
    what: 'headers that do not end',
    first: 'GET /livez HTTP/1.1\r\nHost: x\r\n',
    piece: 'X-A: b\r\n',
    limitMs: headersTimeoutMs,
  },
  {
    what: 'a body that does not end',
    first:
      'POST /v2/authorize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{',
    piece: ' ',
    limitMs: requestTimeoutMs,
  },
  {
    what: 'chunks that do not end',
    first:
      'POST /v2/authorize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n',
    piece: '1\r\n \r\n',
    limitMs: requestTimeoutMs,
  },
]

const PIECE_MS = 1000
/** A machine with much to do is late. */
const ROOM_MS = 10_000

/** Clients that send so slowly that the service has to close their connections: one of each kind at any time. */
export class SlowClients {
  readonly #port: number
  readonly #over: (what: string, verdict: Verdict) => void
  readonly #open = new Map<Kind, Socket | undefined>()
  #isStopped = false

  /** `over`: told of each that has come to its end. */
  constructor(port: number, over: (what: string, verdict: Verdict) => void) {
    this.#port = port
    this.#over = over
  }

  get openCount(): number {
    return [...this.#open.values()].filter(socket => socket !== undefined).length
  }

  /** To be called now and then: begins anew what has come to its end. */
  tend(): void {
    for (const kind of KINDS) if (!this.#open.has(kind)) void this.#run(kind)
  }

  /** Those that have not come to their end are given up. */
  stop(): void {
    this.#isStopped = true
    for (const socket of this.#open.values()) socket?.destroy()
  }

  async #run(kind: Kind): Promise<void> {
    const { what, limitMs } = kind
    this.#open.set(kind, undefined)
    try {
      const socket = await open(this.#port)
      this.#open.set(kind, socket)
      const tookMs = await endOf(socket, kind, limitMs + connectionsCheckingIntervalMs + ROOM_MS)
      if (this.#isStopped) return
      this.#over(what, tookMs === undefined ? `slow: ${what}: the connection is not closed` : undefined)
    } catch (error) {
      this.#over(what, `slow: ${what}: ${String(error)}`)
    } finally {
      this.#open.delete(kind)
    }
  }
}

/** How long it took until the service closed the connection; undefined: too long. */
function endOf(socket: Socket, { first, piece }: Kind, mostMs: number): Promise<number | undefined> {
  const started = performance.now()
  return new Promise(resolve => {
    if (first !== '') socket.write(first)
    const timer = setInterval(() => {
      if (performance.now() - started > mostMs) end(undefined)
      else if (piece !== '' && socket.writable) socket.write(piece)
    }, PIECE_MS)
    const end = (tookMs: number | undefined) => {
      clearInterval(timer)
      socket.destroy()
      resolve(tookMs)
    }
    // the answer (408) is read, so that the end of the connection is seen
    socket.resume()
    socket.once('close', () => end(performance.now() - started))
  })
}
