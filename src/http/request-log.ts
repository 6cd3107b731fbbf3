import type { Logger } from 'pino'
import type { RequestMiddleware } from './context.ts'
import type { Metrics } from './metrics.ts'
import { requestIdOf } from './request-id.ts'

/** What nginx calls a request whose client went away before it had the answer. */
const CLIENT_GONE = 499

/** Stands for every path that is no route of ours: paths themselves would make a series of each typing error. */
const NO_ROUTE = 'none'

/**
 * Gives every request its id, and writes one line and one observation when it is over. Bodies, queries and
 * headers are left out: they can hold secrets. Refusals are information, whatever their number: only the
 * service's own failures are errors.
 */
export function requestLog(log: Logger, metrics: Metrics): RequestMiddleware {
  return async (ctx, next) => {
    const started = performance.now()
    const requestId = requestIdOf(ctx.req.headers['x-request-id']?.toString())
    const state = ctx.state
    state.requestId = requestId
    ctx.res.setHeader('X-Request-Id', requestId)
    ctx.res.once('close', () => {
      const durationMs = performance.now() - started
      // Node takes an answer for finished too that went down with its connection
      const isAnswered = ctx.res.writableFinished && !ctx.req.socket.destroyed
      const status = isAnswered ? ctx.res.statusCode : CLIENT_GONE
      metrics.countRequest(ctx.method, state.route ?? NO_ROUTE, status, durationMs / 1000)
      const level = levelOf(status, state.route)
      if (!log.isLevelEnabled(level)) return
      log[level](
        {
          request_id: requestId,
          method: ctx.method,
          route: state.route ?? NO_ROUTE,
          status,
          duration_ms: Math.round(durationMs * 10) / 10,
          user: state.principal?.user,
          namespace: state.namespace,
          code: state.failure?.code,
          err: state.failure?.cause,
        },
        'request',
      )
    })
    await next()
  }
}

/** Asked every few seconds by machines: a line each would bury the others. */
const PROBES: ReadonlySet<string | undefined> = new Set(['/livez', '/readyz', '/metrics'])

/** 503 and 504 are trouble elsewhere, which passes; a 500 is a fault of ours, which somebody must look at. */
function levelOf(status: number, route: string | undefined): 'debug' | 'info' | 'warn' | 'error' {
  if (status < 500) return PROBES.has(route) ? 'debug' : 'info'
  return status === 503 || status === 504 ? 'warn' : 'error'
}
