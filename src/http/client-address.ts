import { isIPv6, type Socket } from 'node:net'

/** An IPv4 address in the form that a socket for both kinds gives it. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * Where a connection comes from, to count by: an IPv4 address, or the first 64 bits of an IPv6 one, since whoever has
 * one of those has 2^64. Behind a proxy it is the proxy: no header is believed, as anybody can write one.
 */
export function originOf(socket: Pick<Socket, 'remoteAddress'>): string {
  const address = socket.remoteAddress ?? ''
  if (!address.includes(':')) return address
  const mapped = MAPPED.exec(address)?.[1]
  return mapped ?? networkOf(address)
}

function networkOf(address: string): string {
  const bare = address.split('%')[0] ?? ''
  if (!isIPv6(bare)) return address
  const [head = '', tail] = bare.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : 8 - first.length - last.length
  return [...first, ...Array<string>(Math.max(0, missing)).fill('0'), ...last].slice(0, 4).join(':')
}
