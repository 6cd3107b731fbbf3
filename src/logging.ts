import { type Logger, pino } from 'pino'

/** PIPE_BUF of Linux; POSIX has 512 at least. */
const PIPE_BYTES = 4096

/** What may wait for a place that takes no more, such as a pipe that nobody reads. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024

/**
 * Logs go to standard error, so that standard output is for people: JSON lines, or readable ones on a terminal.
 *
 * ERROR means that a person has to act; WARN that something is wrong and mends itself; a refused lock is INFO.
 *
 * `isShared`: other processes write to the same place. What is written at once is then no more than a pipe takes in
 * one piece, so that no line ends up in the middle of another's.
 *
 * Lines past `maxWaitingBytes` are lost, and counted in a line once the others are written: a log that nobody reads must
 * not take the memory of the service.
 */
export function createLogger(
  level: string,
  { isShared = false, maxWaitingBytes = MAX_WAITING_BYTES } = {},
): Logger {
  const redact = {
    paths: ['req.headers.authorization', 'headers.authorization', 'authorization', 'key'],
    remove: true,
  }
  const serializers = { err: withoutClient }
  if (!process.stderr.isTTY) {
    const limit = isShared ? { maxWrite: PIPE_BYTES } : {}
    const destination = pino.destination({ dest: 2, sync: false, maxLength: maxWaitingBytes, ...limit })
    const log = pino({ level, redact, serializers }, destination)
    let lost = 0
    destination.on('drop', () => {
      lost += 1
      if (lost > 1) return
      destination.once('drain', () => {
        const lines = lost
        lost = 0
        log.warn({ lines }, 'lines of the log were lost: they were not read in time')
      })
    })
    return log
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
