import { connect, type Socket } from 'node:net'
import { type Answer, readAnswer } from './answer.ts'

/** How long an answer may take: longer than the service's own deadlines, which are to be seen at work. */
const PATIENCE_MS = 60_000

/** The connection was closed before the answer was whole. */
export class Closed extends Error {
  override readonly name = 'Closed'
  readonly received: Buffer

  constructor(received: Buffer) {
    super(`the connection was closed after ${received.length} bytes`)
    this.received = received
  }
}

/** A client with one request under way, which connects again where the service has closed the connection. */
export class Line {
  readonly #port: number
  #socket: Socket | undefined

  constructor(port: number) {
    this.#port = port
  }

  /** Sends the bytes and resolves with the answer, interim ones (100) left out. */
  async exchange(parts: readonly Buffer[], isHead: boolean): Promise<Answer> {
    const socket = this.#socket ?? (await open(this.#port))
    this.#socket = undefined
    const answer = await answerOn(socket, parts, isHead)
    if (answer.headers.get('connection') === 'close') socket.destroy()
    else this.#socket = socket
    return answer
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }
}

/** How long a service may say nothing to bytes until it is told that no more come: it may be waiting for them. */
const SILENCE_MS = 100
/** How long it may leave the connection open after that. */
const CLOSED_WITHIN_MS = 10_000

export interface Ended {
  readonly received: Buffer
  /** False: the service did not close the connection. */
  readonly isClosed: boolean
}

/**
 * Sends bytes on a connection of their own and resolves with everything that comes until it is closed. `isWhole`: they
 * end in a request that asks for the end of the connection, so there is nothing to wait for but the answers.
 */
export async function everythingAfter(
  port: number,
  parts: readonly Buffer[],
  isWhole: boolean,
): Promise<Ended> {
  const socket = await open(port)
  return new Promise(resolve => {
    const received: Buffer[] = []
    let isClosed = true
    socket.setTimeout(isWhole ? PATIENCE_MS : SILENCE_MS, () => {
      if (socket.writableEnded || isWhole) {
        isClosed = false
        socket.destroy()
      } else {
        socket.setTimeout(CLOSED_WITHIN_MS)
        socket.end()
      }
    })
    socket.on('data', chunk => received.push(chunk))
    // a reset is an end like any other: it can follow an answer to half a request
    socket.on('error', () => {})
    socket.on('close', () => resolve({ received: Buffer.concat(received), isClosed }))
    for (const part of parts) socket.write(part)
  })
}

/** Connects, and leaves errors to whoever waits for the end. */
export function open(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

function answerOn(socket: Socket, parts: readonly Buffer[], isHead: boolean): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0)
    const done = () => {
      socket.setTimeout(0)
      socket.removeAllListeners('data')
      socket.removeAllListeners('close')
      socket.removeAllListeners('timeout')
    }
    const fail = (error: unknown) => {
      done()
      socket.destroy()
      reject(error)
    }
    const look = (isEnd: boolean) => {
      for (;;) {
        const found = readAnswer(received, { isHead, isEnd })
        if (found === undefined) return false
        received = received.subarray(found.end)
        if (found.answer.status === 100) continue
        if (received.length > 0) throw new Error(`${received.length} bytes came behind the answer`)
        done()
        resolve(found.answer)
        return true
      }
    }
    socket.setTimeout(PATIENCE_MS, () => fail(new Error(`no answer within ${PATIENCE_MS} ms`)))
    socket.on('data', chunk => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
      try {
        look(false)
      } catch (error) {
        fail(error)
      }
    })
    socket.on('close', () => {
      try {
        if (!look(true)) fail(new Closed(received))
      } catch (error) {
        fail(error)
      }
    })
    for (const part of parts) socket.write(part)
  })
}
