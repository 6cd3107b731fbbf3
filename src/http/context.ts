import type { Middleware, ParameterizedContext } from 'koa'
import type { Principal } from '../locks/api-key.ts'
import type { Failure } from './failure.ts'

/** What the service knows of a request while it answers it; the log line and the metrics are made from it. */
export interface RequestState {
  requestId: string
  /** The pattern of the route, never the path itself: `/v1/namespaces/{namespace}/locks`. */
  route: string | undefined
  principal: Principal | undefined
  namespace: string | undefined
  /** Why the request was refused, or what went wrong. */
  failure: Failure | undefined
}

export type RequestContext = ParameterizedContext<RequestState>
export type RequestMiddleware = Middleware<RequestState>
