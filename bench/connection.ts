import { connect, type Socket } from 'node:net'

const CONNECT_TIMEOUT_MS = 10_000

/** The answer that the bytes are, or undefined while some of it is missing; throws where they are none. */
export type ReadAnswer<Answer> = (bytes: Buffer) => Answer | undefined

/**
 * A TCP connection with one request under way at most. Not node:http, whose client costs more CPU than the
 * services that are measured here, on the same cores.
 */
export class Connection<Answer> {
  readonly #socket: Socket
  readonly #read: ReadAnswer<Answer>
  #received: Buffer | undefined
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined
  #failure: Error | undefined

  private constructor(socket: Socket, read: ReadAnswer<Answer>) {
    this.#socket = socket
    this.#read = read
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  static async open<Answer>(port: number, read: ReadAnswer<Answer>): Promise<Connection<Answer>> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error(`port ${port} does not answer`)))
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.setTimeout(0)
        socket.off('error', reject)
        resolve()
      })
    })
    return new Connection(socket, read)
  }

  send(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      if (this.#waiting !== undefined) return reject(new Error('a request is under way already'))
      this.#waiting = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk])
    try {
      const answer = this.#read(bytes)
      if (answer === undefined) {
        this.#received = bytes
        return
      }
      const waiting = this.#waiting
      if (waiting === undefined) throw new Error('an answer came that nobody asked for')
      this.#received = undefined
      this.#waiting = undefined
      waiting.resolve(answer)
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
      this.#socket.destroy()
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#waiting?.reject(this.#failure)
    this.#waiting = undefined
  }
}
