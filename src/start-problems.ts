import { createServer } from 'node:net'
import type { Config } from './config.ts'

/** Everything that keeps the service from starting, one problem a line. */
export class StartError extends Error {
  override readonly name = 'StartError'

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Why nobody can listen there, and what to do about it. */
export function listenProblem(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  switch (code) {
    case 'EADDRINUSE':
      return `PORT: ${port} on ${host} is in use by another program; stop it or set PORT to another number`
    case 'EACCES':
      return `PORT: no permission to listen on ${port}; choose one above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST: ${host} is not an address of this machine`
    default:
      return `cannot listen on ${host}:${port}: ${messageOf(error)}`
  }
}

/** Asked when something else is wrong already, so that one message names everything. */
export async function portProblems({ HOST, PORT }: Config): Promise<readonly string[]> {
  const probe = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject)
      probe.listen({ host: HOST, port: PORT }, resolve)
    })
    return []
  } catch (error) {
    return [listenProblem(error, HOST, PORT)]
  } finally {
    if (probe.listening) await new Promise(resolve => probe.close(resolve))
  }
}
