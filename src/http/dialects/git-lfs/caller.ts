import type { Principal } from '../../../locks/api-key.ts'
import { authenticate } from '../../authentication.ts'
import type { WireRequest } from '../../wire-route.ts'
import { type Repository, repositoryOf } from './repository.ts'

/** Who asks, and for which repository. */
export interface Caller extends Repository {
  readonly principal: Principal
}

/** The key is looked at first, so that nothing is told to somebody without one. */
export async function callerOf(request: WireRequest): Promise<Caller> {
  const { services, headers, origin } = request
  const principal = await authenticate(services.keys, headers.authorization, origin)
  request.actsFor(principal)
  const repository = repositoryOf(request)
  request.actsFor(principal, repository.namespace)
  return { principal, ...repository }
}
