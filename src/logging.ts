import { type Logger, pino } from 'pino'

/** PIPE_BUF of Linux; POSIX has 512 at least. */
const PIPE_BYTES = 4096

/**
 * Logs go to standard error, so that standard output is for people: JSON lines, or readable ones on a terminal.
 *
 * ERROR means that a person has to act; WARN that something is wrong and mends itself; a refused lock is INFO.
 *
 * `isShared`: other processes write to the same place. What is written at once is then no more than a pipe takes in
 * one piece, so that no line ends up in the middle of another's.
 */
export function createLogger(level: string, { isShared = false } = {}): Logger {
  const redact = {
    paths: ['req.headers.authorization', 'headers.authorization', 'authorization', 'key'],
    remove: true,
  }
  const serializers = { err: withoutClient }
  if (!process.stderr.isTTY) {
    const limit = isShared ? { maxWrite: PIPE_BYTES } : {}
    return pino({ level, redact, serializers }, pino.destination({ dest: 2, sync: false, ...limit }))
  }
  return pino({
    level,
    redact,
    serializers,
    transport: {
      target: 'pino-pretty',
      options: { destination: 2, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' },
    },
  })
}

/**
 * To an error of an idle connection pg adds its whole client: pages of a log, and with it the key by which the backend's
 * queries can be cancelled.
 */
function withoutClient(error: Error): Record<string, unknown> {
  const { client: _, ...said } = pino.stdSerializers.err(error)
  return said
}
