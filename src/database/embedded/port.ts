import { createServer } from 'node:net'

/**
 * Below the ports that systems hand out to outgoing connections. On such a port, clients that try to reach a
 * server which is just being restarted can end up connected to themselves, and the server finds its port taken.
 */
const LOWEST = 15_000
const HIGHEST = 31_000
const TRIES = 50

/** A port of 127.0.0.1 that was free a moment ago: the preferred one if possible. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (await isFree(port)) return port
  }
  throw new Error(`no free port found on 127.0.0.1 between ${LOWEST} and ${HIGHEST}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
