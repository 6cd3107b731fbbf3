import { troubleOfMany } from '../../../locks/errors.ts'
import type { SignIn } from '../../../locks/sign-in.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import type { Caller } from './caller.ts'
import { idsOfEarlier } from './listing.ts'
import type { PolarisSettings } from './settings.ts'

/** The requests, as long as they last, that have released earlier locks. */
const CLEARED = new WeakSet<WireRequest>()

/** Whose first call it may be, and with which secret the token was found. */
interface FirstCall {
  readonly caller: Caller
  readonly signIn: SignIn
  readonly secret: string
}

/**
 * Releases what the caller's user and workstation held when the token was handed out, at the first call of the token
 * from that workstation. That it was done is told by a session which lives as long as the token, so every replica
 * knows.
 *
 * First calls may come several at once, and none may lose what it is granted. So each of them clears before it goes
 * on, the session is made only after that, and what is cleared is by its lock's id: whatever any of them is granted
 * later is a lock of its own, and none of those.
 */
export async function clearEarlierLocks(
  request: WireRequest,
  settings: PolarisSettings,
  { caller: { principal, client }, signIn, secret }: FirstCall,
): Promise<void> {
  // a viewer releases nothing, and the first call of a locker's token is still to come
  if (principal.role === 'viewer') return
  const { services } = request
  const marker = `${secret} at ${client}`
  if (await services.signIns.isOpen(marker)) return
  const lockIds = await idsOfEarlier(services, settings, principal, {
    holder: principal.user,
    client,
    before: signIn.session.started,
  })
  if (lockIds.length > 0) {
    const which = { kind: 'locks', lockIds } as const
    const outcome = await services.locks.releaseSet(principal, {
      namespace: settings.namespace,
      which,
      client,
    })
    if (outcome.kind === 'released' && outcome.count > 0) CLEARED.add(request)
  }
  const ttlSeconds = signIn.session.expiresInSeconds
  if (ttlSeconds !== null) await services.signIns.open(principal, { secret: marker, client, ttlSeconds })
}

/** A route that may clear first: once it has, trouble with the rest is not answered as if nothing had changed. */
export function clearingFirst(route: WireRoute): WireRoute {
  return {
    ...route,
    async handle(request) {
      try {
        return await route.handle(request)
      } catch (error) {
        throw CLEARED.has(request) ? troubleOfMany(error) : error
      }
    },
  }
}
