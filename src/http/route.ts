import type { z } from 'zod'
import type { Principal, Role } from '../locks/api-key.ts'
import type { ErrorCode } from '../locks/errors.ts'
import type { AppServices } from './services.ts'

/** What a handler answers; the rest of the response is the same for every route. */
export interface Reply {
  readonly status: number
  /** A list is sent as a header field each. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** The media type; JSON unless said otherwise. */
  readonly type?: string
  /** Text and bytes are sent as they are, anything else as JSON. Undefined: no body. */
  readonly body?: unknown
}

/** A request that anybody can make. */
export interface PublicCall {
  readonly services: AppServices
  readonly requestId: string
}

/** A request whose credentials, path, query and body were found to be in order. */
export interface Call<Params, Query, Body> extends PublicCall {
  readonly principal: Principal
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The values of a body of lines, validated as they arrive. Nothing, for a route without `lines`. */
  readonly lines: AsyncIterable<Line>
}

/** One value of a body of JSON lines. */
export interface Line {
  readonly line: number
  readonly value: unknown
}

/** An answer as the OpenAPI document tells it. */
export interface DocumentedReply {
  readonly description: string
  readonly schema?: z.ZodType
  readonly type?: string
  readonly example?: unknown
  /** Names of headers and what they say. */
  readonly headers?: Readonly<Record<string, string>>
}

interface RouteBase {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** As in OpenAPI: `/v1/sessions/{session}`. */
  readonly path: string
  readonly operationId: string
  readonly tag: string
  readonly summary: string
  readonly description: string
  readonly replies: Readonly<Record<number, DocumentedReply>>
  /** What this call can be refused with, besides what every call of its kind can. */
  readonly refusals: readonly ErrorCode[]
}

export interface PublicRoute extends RouteBase {
  readonly access: 'public'
  /** True: not in the document. */
  readonly isHidden?: boolean
  handle(call: PublicCall): Promise<Reply>
}

export interface ProtectedRoute<Params, Query, Body> extends RouteBase {
  /** The role that the call needs, for the document: any key passes here, the services decide. */
  readonly access: Role
  readonly params?: z.ZodType<Params>
  /** Without one, every query parameter is refused. */
  readonly query?: z.ZodType<Query>
  readonly body?: z.ZodType<Body>
  /** The body is lines of JSON, each of this shape; the handler reads them from `lines`. */
  readonly lines?: z.ZodType
  readonly bodyExamples?: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>
  handle(call: Call<Params, Query, Body>): Promise<Reply>
}

export type Route = PublicRoute | ProtectedRoute<unknown, unknown, unknown>

/** Lets the compiler infer a handler's arguments from the schemas beside it. */
export function route<Params, Query, Body>(definition: ProtectedRoute<Params, Query, Body>): Route {
  return definition
}
