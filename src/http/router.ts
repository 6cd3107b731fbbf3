import Router from '@koa/router'
import { z } from 'zod'
import { Refusal } from '../locks/errors.ts'
import { authenticate } from './authentication.ts'
import { originOf } from './client-address.ts'
import type { RequestContext, RequestMiddleware, RequestState } from './context.ts'
import { parseJson } from './json.ts'
import { requireRate } from './key-rate.ts'
import { type LinesRules, readLines } from './ndjson.ts'
import { sendReply } from './reply.ts'
import { readBody } from './request-body.ts'
import { pathOf, queryParameters } from './request-target.ts'
import type { Line, ProtectedRoute, Route } from './route.ts'
import { familyOf, type RouteFamily, trimmedPath, type WireFamily } from './route-family.ts'
import type { AppServices } from './services.ts'
import { validated } from './validation.ts'
import type { WireRoute } from './wire-route.ts'

const NOTHING = z.strictObject({})

/** Room for the largest import, with ids of some 200 bytes; one line may be a selection of 1,000 elements. */
const LINES_RULES: LinesRules = { limitBytes: 64 * 1024 * 1024, lineLimitBytes: 256 * 1024 }

/**
 * Finds and runs the route of a request, and answers where there is none. The family is found first, so that a
 * request meets the routes of one family only, however many others there are.
 */
export function routeRequests(families: readonly RouteFamily[], services: AppServices): RequestMiddleware {
  const routers = new Map(families.map(family => [family, routerOf(family, services).routes()]))
  return async ctx => {
    const family = familyOf(families, pathOf(ctx.req.url ?? ''))
    const run = family && routers.get(family)
    if (family === undefined || run === undefined) throw nothingHere()
    if (family.kind === 'wire') {
      for (const [name, value] of Object.entries(family.headers ?? {})) ctx.res.setHeader(name, value)
      ctx.path = trimmedPath(ctx.path)
    }
    // a router of its own kind of context; what it adds to it is optional
    await run(ctx as Parameters<typeof run>[0], () => noRoute(ctx))
  }
}

function routerOf(family: RouteFamily, services: AppServices): Router<RequestState> {
  // exact paths, where a dialect does not want it otherwise: a second spelling would be a second name for one thing
  const router = new Router<RequestState>({
    sensitive: family.kind !== 'wire' || family.ignoresCase !== true,
    strict: true,
  })
  const add = (path: string, method: string, handler: RequestMiddleware) =>
    router.register(
      path.replaceAll(/\{(\*?)(\w+)\}/g, (_, star, name) => (star || ':') + name),
      [method],
      handler,
    )
  if (family.kind === 'wire') {
    for (const route of family.routes) add(route.path, route.method, wireHandler(route, family, services))
  } else {
    for (const route of family.routes) add(route.path, route.method, handlerOf(route, family, services))
  }
  return router
}

function wireHandler(route: WireRoute, family: WireFamily, services: AppServices): RequestMiddleware {
  return async ctx => {
    const { state } = ctx
    state.route = route.path
    ctx.res.setHeader('Cache-Control', 'no-store')
    const reply = await route.handle({
      services,
      requestId: state.requestId,
      origin: originOf(ctx.req.socket),
      method: ctx.method,
      headers: ctx.req.headers,
      params: ctx.params,
      query: new URLSearchParams(ctx.querystring),
      body: mediaTypes => {
        askForBody(ctx)
        return readBody(ctx.req, { limitBytes: family.bodyLimitBytes, mediaTypes })
      },
      isGone: () => ctx.req.socket.destroyed,
      actsFor(principal, namespace) {
        // told once more when the namespace is known
        const isNews = state.principal === undefined
        state.principal = principal
        state.namespace = namespace
        if (isNews) requireRate(services, principal)
      },
    })
    sendReply(ctx, reply)
  }
}

function handlerOf(
  route: Route,
  family: Exclude<RouteFamily, WireFamily>,
  services: AppServices,
): RequestMiddleware {
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
    const { headers, socket } = ctx.req
    const principal = await authenticate(services.keys, headers.authorization, originOf(socket))
    state.principal = principal
    requireRate(services, principal)
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
  askForBody(ctx)
  for await (const { line, value } of readLines(ctx.req, LINES_RULES)) {
    yield { line, value: validated<unknown>(route.lines, value, { line }) }
  }
}

async function bodyOf(
  ctx: RequestContext,
  route: ProtectedRoute<unknown, unknown, unknown>,
  family: Exclude<RouteFamily, WireFamily>,
): Promise<unknown> {
  askForBody(ctx)
  const json = parseJson(await readBody(ctx.req, family.body))
  return route.body === undefined ? json : validated(route.body, json, 'body')
}

/** Tells a client that waits with its body until it is told (`Expect: 100-continue`) that it is wanted. */
function askForBody({ req, res }: RequestContext): void {
  if (req.headers.expect !== undefined && req.httpVersionMinor > 0) res.writeContinue()
}

/** What is left when no route took the request. */
const noRoute = async (ctx: RequestContext): Promise<void> => {
  const allowed = new Set<string>()
  for (const layer of ctx.matched ?? []) {
    for (const method of layer.methods) allowed.add(method)
  }
  if (allowed.size === 0) throw nothingHere()
  const methods = [...allowed].join(', ')
  ctx.res.setHeader('Allow', methods)
  if (ctx.method === 'OPTIONS') {
    sendReply(ctx, { status: 204 })
    return
  }
  throw new Refusal('method_not_allowed', `${ctx.method} is not allowed here; allowed are ${methods}`)
}

function nothingHere(): Refusal {
  return new Refusal('not_found', 'there is no such path; /docs has those that exist')
}
