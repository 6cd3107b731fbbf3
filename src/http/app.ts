import Koa from 'koa'
import type { RequestMiddleware, RequestState } from './context.ts'
import { dialectFamilies } from './dialects.ts'
import { errorHandler } from './error-handler.ts'
import { openApiDocument } from './openapi.ts'
import { operations } from './operations.ts'
import { type ErrorPresenter, presentProblem } from './problem.ts'
import { requireProperHead } from './request-head.ts'
import { requestLog } from './request-log.ts'
import { pathOf, requireProperTarget, withoutAuthority } from './request-target.ts'
import { familyOf, type NativeFamily, type RouteFamily } from './route-family.ts'
import { routeRequests } from './router.ts'
import type { AppServices } from './services.ts'
import { v1 } from './v1/family.ts'

export function createApp(services: AppServices): Koa<RequestState> {
  const { log, metrics } = services
  const families = [...dialectFamilies(services.dialects), ...nativeFamilies(services.publicMetrics ?? false)]
  const app = new Koa<RequestState>()
  app.use(requestLog(log, metrics))
  app.use(errorHandler(presenterFor(families), log))
  app.use(checkHead)
  app.use(routeRequests(families, services))
  // what comes here happened after an answer was begun: a client that closed its socket, mostly
  app.on('error', error => log.debug({ err: error }, 'an answer could not be finished'))
  return app
}

/** The OpenAPI document of everything that is our own. The dialects are documented by their makers. */
export function apiDocument(): object {
  return openApiDocument(nativeFamilies(false).flatMap(family => family.routes))
}

function nativeFamilies(publicMetrics: boolean): readonly NativeFamily[] {
  return [v1, operations({ publicMetrics, document: apiDocument })]
}

function presenterFor(families: readonly RouteFamily[]): (target: string) => ErrorPresenter {
  return target => familyOf(families, pathOf(target))?.presentError ?? presentProblem
}

const checkHead: RequestMiddleware = async (ctx, next) => {
  ctx.res.setHeader('X-Content-Type-Options', 'nosniff')
  const target = ctx.req.url ?? ''
  requireProperTarget(target)
  requireProperHead(ctx.req)
  // read by others below, some of whom would make something else of a whole address
  ctx.req.url = withoutAuthority(target)
  await next()
}
