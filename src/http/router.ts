import Router from '@koa/router'
import type Koa from 'koa'
import { z } from 'zod'
import { Refusal } from '../locks/errors.ts'
import { authenticate } from './authentication.ts'
import type { RequestContext, RequestMiddleware, RequestState } from './context.ts'
import { parseJson } from './json.ts'
import { type LinesRules, readLines } from './ndjson.ts'
import type { ErrorPresenter } from './problem.ts'
import { sendReply } from './reply.ts'
import { type BodyRules, readBody } from './request-body.ts'
import { queryParameters } from './request-target.ts'
import type { Line, ProtectedRoute, Route } from './route.ts'
import type { AppServices } from './services.ts'
import { validated } from './validation.ts'

/** Routes that speak one wire format: the native API, or a dialect. */
export interface RouteFamily {
  /** Every path that begins with it belongs to the family, also those that are no route. */
  readonly prefix: string
  readonly routes: readonly Route[]
  readonly body: BodyRules
  readonly presentError: ErrorPresenter
}

const NOTHING = z.strictObject({})

/** Room for the largest import, with ids of some 200 bytes; one line may be a selection of 1,000 elements. */
const LINES_RULES: LinesRules = { limitBytes: 64 * 1024 * 1024, lineLimitBytes: 256 * 1024 }

/** Adds what finds and runs the route of a request, and answers where there is none. */
export function mountRoutes(
  app: Koa<RequestState>,
  families: readonly RouteFamily[],
  services: AppServices,
): void {
  // exact paths: a second spelling of a path would be a second name for what is behind it
  const router = new Router<RequestState>({ sensitive: true, strict: true })
  for (const family of families) {
    for (const route of family.routes) {
      const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
      router.register(path, [route.method], handlerOf(route, family, services))
    }
  }
  app.use(router.routes()).use(noRoute)
}

function handlerOf(route: Route, family: RouteFamily, services: AppServices): RequestMiddleware {
  if (route.access === 'public') {
    return async ctx => {
      ctx.state.route = route.path
      sendReply(ctx, await route.handle({ services, requestId: ctx.state.requestId }))
    }
  }
  const paramsSchema = route.params ?? NOTHING
  const querySchema = route.query ?? NOTHING
  return async ctx => {
    const { state } = ctx
    state.route = route.path
    const principal = await authenticate(services.keys, ctx.req.headers.authorization)
    state.principal = principal
    const params = validated<unknown>(paramsSchema, ctx.params, 'path')
    state.namespace = ctx.params.namespace
    const query = validated<unknown>(querySchema, queryParameters(ctx.querystring), 'query')
    const body = route.body === undefined ? undefined : await bodyOf(ctx, route, family)
    const { requestId } = state
    ctx.res.setHeader('Cache-Control', 'no-store')
    const lines = linesOf(ctx, route)
    sendReply(ctx, await route.handle({ services, requestId, principal, params, query, body, lines }))
  }
}

async function* linesOf(
  ctx: RequestContext,
  route: ProtectedRoute<unknown, unknown, unknown>,
): AsyncGenerator<Line> {
  if (route.lines === undefined) return
  for await (const { line, value } of readLines(ctx.req, LINES_RULES)) {
    yield { line, value: validated<unknown>(route.lines, value, { line }) }
  }
}

async function bodyOf(
  ctx: RequestContext,
  route: ProtectedRoute<unknown, unknown, unknown>,
  family: RouteFamily,
): Promise<unknown> {
  const json = parseJson(await readBody(ctx.req, family.body))
  return route.body === undefined ? json : validated(route.body, json, 'body')
}

/** What is left when no route took the request. */
const noRoute: RequestMiddleware = async ctx => {
  const allowed = new Set<string>()
  for (const layer of ctx.matched ?? []) {
    for (const method of layer.methods) allowed.add(method)
  }
  if (allowed.size === 0) throw new Refusal('not_found', 'there is no such path; /docs has those that exist')
  const methods = [...allowed].join(', ')
  ctx.res.setHeader('Allow', methods)
  if (ctx.method === 'OPTIONS') {
    sendReply(ctx, { status: 204 })
    return
  }
  throw new Refusal('method_not_allowed', `${ctx.method} is not allowed here; allowed are ${methods}`)
}
