import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection on which a test writes bytes of its own. */
export interface RawSocket {
  readonly socket: Socket
  /** Everything that came so far. */
  received(): string
  /** Resolves when what came matches, or rejects after five seconds or at the end. */
  until(pattern: RegExp): Promise<string>
  /** Resolves with everything when the other side has closed. */
  closed(): Promise<string>
}

export async function rawSocket(port: number): Promise<RawSocket> {
  const socket = connect({ port, host: '127.0.0.1' })
  let text = ''
  let isClosed = false
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  await once(socket, 'connect')
  return {
    socket,
    received: () => text,
    async until(pattern) {
      const deadline = AbortSignal.timeout(5000)
      while (!pattern.test(text)) {
        if (isClosed) throw new Error(`closed after ${JSON.stringify(text)}`)
        await Promise.race([
          once(socket, 'data', { signal: deadline }),
          once(socket, 'close', { signal: deadline }),
        ])
      }
      return text
    },
    async closed() {
      if (!isClosed) await once(socket, 'close', { signal: AbortSignal.timeout(10_000) })
      return text
    },
  }
}

/** Writes a whole request and resolves with everything until the other side closes. */
export async function exchange(port: number, bytes: string | Buffer): Promise<string> {
  const raw = await rawSocket(port)
  raw.socket.write(bytes)
  return raw.closed()
}
