import type { Logger } from 'pino'
import type { RequestContext, RequestMiddleware } from './context.ts'
import { failureOf } from './failure.ts'
import type { ErrorPresenter } from './problem.ts'
import { sendReply } from './reply.ts'
import { ClientGone } from './request-body.ts'

/**
 * Answers whatever was thrown below. Which words it is answered in is the business of the family of routes
 * that the path belongs to; Retry-After and the ban on keeping it are the same for all.
 */
export function errorHandler(
  presenterFor: (target: string) => ErrorPresenter,
  log: Logger,
): RequestMiddleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      if (error instanceof ClientGone) {
        // nobody reads this answer; the log calls it 499
        ctx.status = 400
        return
      }
      try {
        answerFailure(ctx, error, presenterFor(ctx.req.url ?? ''))
      } catch (fault) {
        log.error({ request_id: ctx.state.requestId, err: fault }, 'an error could not be presented')
        ctx.status = 500
      }
    }
  }
}

function answerFailure(ctx: RequestContext, error: unknown, present: ErrorPresenter): void {
  const failure = failureOf(error)
  ctx.state.failure = failure
  if (failure.retryAfterSeconds !== undefined) {
    ctx.res.setHeader('Retry-After', Math.ceil(failure.retryAfterSeconds))
  }
  ctx.res.setHeader('Cache-Control', 'no-store')
  const { method = '', url: target = '', headers } = ctx.req
  sendReply(ctx, present(failure, { requestId: ctx.state.requestId, method, target, headers }))
}
