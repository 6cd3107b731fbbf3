import { randomUUID } from 'node:crypto'

const SANE = /^[A-Za-z0-9._-]{1,64}$/

/** The id that the client brought, if it can stand in a log line as it is; else a new one. */
export function requestIdOf(brought: string | undefined): string {
  return brought !== undefined && SANE.test(brought) ? brought : randomUUID()
}
