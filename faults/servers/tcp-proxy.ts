import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** What becomes of bytes and of new connections. */
export type Weather =
  | { readonly kind: 'fair' }
  /** Nothing arrives, in either direction, and nobody is told. Bytes that were sent meanwhile are lost. */
  | { readonly kind: 'blackhole' }
  /** Answers are swallowed, requests arrive: the worse half of a broken connection. */
  | { readonly kind: 'half-open' }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'refuse' }

/** One way of a connection. Bytes that are held back keep those behind them waiting. */
interface Way {
  readonly from: Socket
  readonly to: Socket
  readonly carries: 'requests' | 'answers'
  /** When the last bytes that are held back go on, by performance.now(). */
  dueMs: number
  readonly held: Buffer[]
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Set once bytes of it were lost: it can only be cut then. */
  isDamaged: boolean
}

/** A TCP proxy whose network can be made bad. */
export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #target: number
  #weather: Weather = { kind: 'fair' }
  #isCutting = false
  /** Pieces that were swallowed or delayed, and connections cut or refused, since the weather was set. */
  #hits = 0

  private constructor(server: Server, port: number, target: number) {
    this.#server = server
    this.port = port
    this.#target = target
    server.on('connection', socket => this.#accept(socket))
  }

  static async start(target = 0): Promise<TcpProxy> {
    const server = createServer({ noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    return new TcpProxy(server, (server.address() as AddressInfo).port, target)
  }

  get hits(): number {
    return this.#hits
  }

  get connections(): number {
    return this.#pairs.size
  }

  /** Where new connections go; those that are there stay. */
  pointAt(port: number): void {
    this.#target = port
  }

  setWeather(weather: Weather): void {
    this.#weather = weather
    this.#hits = 0
  }

  /** Fair weather again. Connections that lost bytes are cut. */
  heal(): void {
    this.#weather = { kind: 'fair' }
    for (const pair of this.#pairs) if (pair.isDamaged) this.#cut(pair)
  }

  /** Cuts every connection, with a reset; how many there were. */
  cutAll(): number {
    const count = this.#pairs.size
    for (const pair of this.#pairs) this.#cut(pair)
    return count
  }

  /** Cuts each connection at its next byte in either direction, so that a request or an answer is torn. */
  cutAtNextByte(): void {
    this.#isCutting = true
    this.#hits = 0
  }

  stopCutting(): void {
    this.#isCutting = false
  }

  close(): void {
    this.#server.close()
    this.cutAll()
  }

  #accept(client: Socket): void {
    client.on('error', () => {})
    if (this.#weather.kind === 'refuse') {
      this.#hits += 1
      client.resetAndDestroy()
      return
    }
    const server = connect({ host: '127.0.0.1', port: this.#target, noDelay: true })
    const pair: Pair = { client, server, isDamaged: false }
    this.#pairs.add(pair)
    server.on('error', () => {})
    const requests: Way = { from: client, to: server, carries: 'requests', dueMs: 0, held: [] }
    const answers: Way = { from: server, to: client, carries: 'answers', dueMs: 0, held: [] }
    client.on('data', (chunk: Buffer) => this.#pass(pair, requests, chunk))
    server.on('data', (chunk: Buffer) => this.#pass(pair, answers, chunk))
    client.on('close', () => this.#close(pair, server))
    server.on('close', () => this.#close(pair, client))
  }

  #pass(pair: Pair, way: Way, chunk: Buffer): void {
    const weather = this.#weather
    if (this.#isCutting) {
      this.#hits += 1
      // a part of it gets through
      if (chunk.length > 1) way.to.write(chunk.subarray(0, chunk.length >> 1))
      this.#cut(pair)
    } else if (isLost(weather, way) || pair.isDamaged) {
      this.#hits += 1
      pair.isDamaged = true
    } else if (weather.kind === 'delay' || way.held.length > 0) {
      this.#hits += 1
      hold(way, chunk, weather.kind === 'delay' ? weather.delayMs : 0)
    } else if (!way.to.write(chunk)) {
      way.from.pause()
      way.to.once('drain', () => way.from.resume())
    }
  }

  /** In a blackhole not even the end of the other side is heard of. */
  #close(pair: Pair, other: Socket): void {
    if (this.#weather.kind === 'blackhole' && !other.destroyed) {
      pair.isDamaged = true
      return
    }
    this.#pairs.delete(pair)
    other.destroy()
  }

  #cut(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.client.resetAndDestroy()
    pair.server.resetAndDestroy()
  }
}

function isLost(weather: Weather, { carries }: Way): boolean {
  return weather.kind === 'blackhole' || (weather.kind === 'half-open' && carries === 'answers')
}

function hold(way: Way, chunk: Buffer, delayMs: number): void {
  const now = performance.now()
  way.dueMs = Math.max(way.dueMs, now + delayMs)
  way.held.push(chunk)
  // timers of the same instant fire in any order, bytes must not
  setTimeout(() => {
    const next = way.held.shift()
    if (next !== undefined) way.to.write(next)
  }, way.dueMs - now)
}
