import type { IncomingHttpHeaders } from 'node:http'
import type { Principal } from '../locks/api-key.ts'
import type { Reply } from './route.ts'
import type { AppServices } from './services.ts'

/**
 * A request of somebody else's API. Nothing of it was looked at but that its target stands for one text: how it
 * is signed, what its query may hold and what its body is are the dialect's business.
 */
export interface WireRequest {
  readonly services: AppServices
  readonly requestId: string
  /** Where the request comes from, for limits: of client-address.ts. */
  readonly origin: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /**
   * The bytes of the body; none where it is empty, whatever the headers say of a type. Refuses other media types
   * than these (as type-is writes them), and bodies beyond the family's limit.
   */
  body(mediaTypes: readonly string[]): Promise<Buffer>
  /** Whether the client has closed its connection: nobody would read an answer. */
  isGone(): boolean
  /**
   * Tells who it is, and in which namespace, once that is known: before the body is read, unless it is the body that
   * says it. Refuses where the key has come too often.
   */
  actsFor(principal: Principal, namespace?: string): void
}

/** One operation of a dialect. */
export interface WireRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'LOCK' | 'UNLOCK'
  /** `/locks/{id}`; the names become `params`. `{*name}` stands for one or more parts of the path. */
  readonly path: string
  /**
   * Every status that it answers with; aside are heads that no route is asked about (400, 408, 414, 431), limits (429) and
   * trouble of the database (503, 504).
   */
  readonly statuses: readonly number[]
  handle(request: WireRequest): Promise<Reply>
}
