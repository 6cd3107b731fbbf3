import { type Logger, pino } from 'pino'

/**
 * Logs go to standard error, so that standard output is for people: JSON lines, or readable ones on a terminal.
 *
 * ERROR means that a person has to act; WARN that something is wrong and mends itself; a refused lock is INFO.
 */
export function createLogger(level: string): Logger {
  const redact = {
    paths: ['req.headers.authorization', 'headers.authorization', 'authorization', 'key'],
    remove: true,
  }
  if (!process.stderr.isTTY) return pino({ level, redact }, pino.destination({ dest: 2, sync: false }))
  return pino({
    level,
    redact,
    transport: {
      target: 'pino-pretty',
      options: { destination: 2, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' },
    },
  })
}
