import Koa from 'koa'
import type { Logger } from 'pino'
import type { CatalogueService } from '../locks/catalogue-service.ts'
import { Refusal } from '../locks/errors.ts'
import type { KeyService } from '../locks/key-service.ts'
import type { LockService } from '../locks/lock-service.ts'
import type { SessionService } from '../locks/session-service.ts'
import type { RequestMiddleware, RequestState } from './context.ts'
import { errorHandler } from './error-handler.ts'
import type { Metrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { operations } from './operations.ts'
import { type ErrorPresenter, presentProblem } from './problem.ts'
import { requestLog } from './request-log.ts'
import { pathOf, requireProperTarget } from './request-target.ts'
import { mountRoutes, type RouteFamily } from './router.ts'
import { v1 } from './v1/family.ts'

/** What the HTTP floor needs of the rest of the house. */
export interface AppServices {
  readonly locks: LockService
  readonly sessions: SessionService
  readonly catalogue: CatalogueService
  readonly keys: KeyService
  /** Why the service should get no requests now; empty: it is ready. Bounded in time by whoever gives it. */
  readonly readiness: () => Promise<readonly string[]>
  readonly metrics: Metrics
  readonly log: Logger
  /** True: /metrics needs no key. */
  readonly publicMetrics?: boolean
  /** True from the moment the service has begun to stop. */
  readonly isDraining?: () => boolean
}

export function createApp(services: AppServices): Koa<RequestState> {
  const { log, metrics } = services
  const families = familiesOf(services.publicMetrics ?? false)
  const app = new Koa<RequestState>()
  app.use(requestLog(log, metrics))
  app.use(errorHandler(presenterFor(families), log))
  app.use(checkHead)
  mountRoutes(app, families, services)
  // what comes here happened after an answer was begun: a client that closed its socket, mostly
  app.on('error', error => log.debug({ err: error }, 'an answer could not be finished'))
  return app
}

/** The OpenAPI document of everything that createApp answers. */
export function apiDocument(): object {
  return openApiDocument(familiesOf(false).flatMap(family => family.routes))
}

function familiesOf(publicMetrics: boolean): readonly RouteFamily[] {
  return [v1, operations({ publicMetrics, document: apiDocument })]
}

function presenterFor(families: readonly RouteFamily[]): (target: string) => ErrorPresenter {
  return target => {
    const path = pathOf(target)
    const family = families.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
    return family?.presentError ?? presentProblem
  }
}

const checkHead: RequestMiddleware = async (ctx, next) => {
  ctx.res.setHeader('X-Content-Type-Options', 'nosniff')
  const { headers, httpVersionMinor, url } = ctx.req
  requireProperTarget(url ?? '')
  if (headers.host === undefined && httpVersionMinor > 0) {
    throw new Refusal('invalid_request', 'HTTP/1.1 wants a Host header', {
      fields: [{ field: 'header Host', message: 'is missing' }],
    })
  }
  await next()
}
