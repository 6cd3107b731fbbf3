import { z } from 'zod'
import { requireEveryNamespace } from '../locks/access.ts'
import type { Principal } from '../locks/api-key.ts'
import { Refusal } from '../locks/errors.ts'
import { docsRoutes } from './docs.ts'
import { presentProblem } from './problem.ts'
import { type PublicCall, type Route, route } from './route.ts'
import type { NativeFamily } from './route-family.ts'

/** How long a document may be believed that only a new release changes. */
const DOCUMENT_CACHE = 'public, max-age=300'

export interface OperationOptions {
  readonly publicMetrics: boolean
  readonly document: () => object
}

/** What operators, probes and readers of the documentation ask for. */
export function operations({ publicMetrics, document }: OperationOptions): NativeFamily {
  return {
    kind: 'native',
    prefixes: [''],
    body: { limitBytes: 0, mediaTypes: [] },
    presentError: presentProblem,
    routes: [live, ready, metricsRoute(publicMetrics), openApi(document), ...docsRoutes],
  }
}

const live: Route = {
  method: 'GET',
  path: '/livez',
  operationId: 'isLive',
  tag: 'Operation',
  access: 'public',
  summary: 'Is the process alive',
  description:
    'Always 200: a service whose database is away is alive, and starting it again would help nobody.',
  replies: {
    200: { description: 'Yes', schema: z.looseObject({ status: z.string() }), example: { status: 'live' } },
  },
  refusals: [],
  handle: async () => ({ status: 200, headers: NOT_KEPT, body: '{"status":"live"}' }),
}

const ready: Route = {
  method: 'GET',
  path: '/readyz',
  operationId: 'isReady',
  tag: 'Operation',
  access: 'public',
  summary: 'Should the service get requests',
  description: 'No while it stops, and while its database cannot be reached or has another schema.',
  replies: {
    200: { description: 'Yes', schema: z.looseObject({ status: z.string() }), example: { status: 'ready' } },
  },
  refusals: ['not_ready'],
  async handle({ services }) {
    const problems =
      services.isDraining?.() === true ? ['the service is stopping'] : await services.readiness()
    if (problems.length > 0) {
      throw new Refusal('not_ready', problems.join('; '), {
        fields: problems.map(message => ({ field: 'service', message })),
      })
    }
    return { status: 200, headers: NOT_KEPT, body: '{"status":"ready"}' }
  },
}

const NOT_KEPT = { 'Cache-Control': 'no-store' }

function metricsRoute(isPublic: boolean): Route {
  const definition = {
    method: 'GET',
    path: '/metrics',
    operationId: 'getMetrics',
    tag: 'Operation',
    summary: 'Metrics',
    description:
      'For Prometheus. A key of any role, for every namespace; the operator can let scrapers in without one.',
    replies: { 200: { description: 'All metrics', type: 'text/plain', schema: z.string() } },
    refusals: ['not_ready'],
    async handle({ services, principal }: PublicCall & { readonly principal?: Principal }) {
      if (principal !== undefined) requireEveryNamespace(principal)
      const { registry } = services.metrics
      const body = await (services.scrape?.() ?? registry.metrics())
      return { status: 200, type: registry.contentType, body }
    },
  } as const
  return isPublic
    ? { ...definition, access: 'public' }
    : route({ ...definition, access: 'viewer', refusals: ['forbidden', 'not_ready'] })
}

function openApi(document: () => object): Route {
  let text: string | undefined
  return {
    method: 'GET',
    path: '/openapi.json',
    operationId: 'getOpenApiDocument',
    tag: 'Operation',
    access: 'public',
    summary: 'This document',
    description: 'OpenAPI 3.1.',
    replies: { 200: { description: 'The document', schema: z.looseObject({}) } },
    refusals: [],
    async handle() {
      text ??= JSON.stringify(document())
      return { status: 200, headers: { 'Cache-Control': DOCUMENT_CACHE }, body: text }
    },
  }
}
