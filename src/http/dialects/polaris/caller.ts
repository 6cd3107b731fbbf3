import type { Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import { authenticate } from '../../authentication.ts'
import type { WireRequest } from '../../wire-route.ts'
import { readAccessToken, sessionSecret } from './access-token.ts'
import { clearEarlierLocks } from './clearing.ts'
import { workstationOf } from './place.ts'
import type { PolarisSettings } from './settings.ts'

/** Who holds locks here: a user at a workstation. The same user at another one is somebody else. */
export interface Caller {
  readonly principal: Principal
  /** The workstation's number in decimal. */
  readonly client: string
}

const BEARER = /^Bearer /i

/**
 * Whom a call is for, signed `PAS` with what a sign-in handed out, or `Bearer` with a key, where the vendor takes
 * the token of an identity provider.
 */
export async function callerOf(request: WireRequest, settings: PolarisSettings): Promise<Caller> {
  const { services, headers, params, origin } = request
  const { authorization } = headers
  if (BEARER.test(authorization ?? '')) {
    const principal = await authenticate(services.keys, authorization, origin)
    request.actsFor(principal, settings.namespace)
    return { principal, client: workstationOf(params) }
  }
  const accessToken = readAccessToken(authorization)
  const secret = accessToken && sessionSecret(accessToken)
  const signIn = secret === undefined ? undefined : await services.signIns.find(secret, origin)
  if (secret === undefined || signIn === undefined) {
    throw new Refusal(
      'unauthenticated',
      accessToken === undefined
        ? 'sign in at authentication/staffuser, and send `Authorization: PAS {siteDomain}:{AccessToken}:{AccessSecret}`'
        : 'the access token is unknown or has expired; sign in again',
    )
  }
  request.actsFor(signIn.principal, settings.namespace)
  const caller = { principal: signIn.principal, client: workstationOf(params) }
  if (settings.clearsLocksAtSignIn) await clearEarlierLocks(request, settings, { caller, signIn, secret })
  return caller
}
