import { Refusal } from '../../../locks/errors.ts'
import type { SignIn } from '../../../locks/sign-in.ts'
import type { WireRequest } from '../../wire-route.ts'

const AUTHORIZATION = /^bimplus +([\x21-\x7e]+)$/i

/**
 * Whose token the request shows. It is looked at and not touched: a token lasts from sign-in on, whatever is done
 * with it.
 */
export async function signedIn(
  { services, headers, origin, actsFor }: WireRequest,
  namespace?: string,
): Promise<SignIn> {
  const [, token] = AUTHORIZATION.exec(headers.authorization ?? '') ?? []
  const signIn = token === undefined ? undefined : await services.signIns.find(token, origin)
  if (signIn === undefined) {
    throw new Refusal(
      'unauthenticated',
      'send `Authorization: BimPlus <access_token>`, with a token of /v2/authorize that is still good',
      { fields: [{ field: 'header Authorization', message: 'holds no valid token' }] },
    )
  }
  actsFor(signIn.principal, namespace)
  return signIn
}
