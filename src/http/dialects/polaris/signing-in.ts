import type { Principal } from '../../../locks/api-key.ts'
import { Refusal } from '../../../locks/errors.ts'
import { authenticate, readCredentials } from '../../authentication.ts'
import type { Reply } from '../../route.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { newAccessToken, sessionSecret } from './access-token.ts'
import { mediaTypeFor } from './media-type.ts'
import { requireProduct, SIGN_IN_PATH } from './place.ts'
import { presentDate } from './presenter.ts'

/** A token is good for a day, however it is used. */
const SIGN_IN_SECONDS = 24 * 60 * 60

/** The vendor's default, which goes into the PAS header. */
const SITE_DOMAIN = 'polaris'

/** What there is one of in every system of the vendor's: the organization of all, and the user made with it. */
const SYSTEM_ID = 1

export const signingIn: readonly WireRoute[] = [
  {
    method: 'POST',
    path: SIGN_IN_PATH,
    statuses: [200, 400, 401, 404],
    handle: signInWithKey,
  },
  {
    method: 'POST',
    path: `${SIGN_IN_PATH}/oauth`,
    statuses: [200, 400, 401, 404],
    handle: signInWithToken,
  },
]

/** Basic with `DOMAIN\user` and a key of the user. The domain is handed back and means nothing here. */
async function signInWithKey(request: WireRequest): Promise<Reply> {
  requireProduct(request.params)
  const { user, key } = readCredentials(request.headers.authorization) ?? {}
  if (user === undefined || key === undefined) {
    throw new Refusal(
      'unauthenticated',
      'send `Authorization: Basic` with DOMAIN\\user and a key as the password',
    )
  }
  const at = user.indexOf('\\')
  const principal = await request.services.signIns.verify(user.slice(at + 1), key, request.origin)
  if (principal === undefined) {
    throw new Refusal(
      'unauthenticated',
      'the key is not in force, or belongs to another user than the one named',
    )
  }
  return signedIn(request, principal, at === -1 ? '' : user.slice(0, at))
}

/** Bearer with a key, since there is no identity provider whose tokens could be believed. */
async function signInWithToken(request: WireRequest): Promise<Reply> {
  requireProduct(request.params)
  const { authorization = '' } = request.headers
  if (!/^Bearer /i.test(authorization)) {
    throw new Refusal('unauthenticated', 'send `Authorization: Bearer` with a key')
  }
  return signedIn(request, await authenticate(request.services.keys, authorization, request.origin), '')
}

async function signedIn(request: WireRequest, principal: Principal, userDomain: string): Promise<Reply> {
  const { services, headers } = request
  request.actsFor(principal)
  const user = await services.users.findByName(principal.user)
  if (user === undefined) throw new Error(`the user ${principal.user} has no number`)
  const accessToken = newAccessToken()
  const { session } = await services.signIns.open(principal, {
    secret: sessionSecret(accessToken),
    ttlSeconds: SIGN_IN_SECONDS,
  })
  if (session.expiresAt === null) throw new Error('a sign-in without end')
  return {
    status: 200,
    type: mediaTypeFor(headers.accept),
    body: {
      SiteDomain: SITE_DOMAIN,
      UserDomain: userDomain,
      AccessToken: accessToken.token,
      AccessSecret: accessToken.secret,
      AuthExpDate: presentDate(session.expiresAt),
      PolarisUser: {
        PolarisUserID: user.number,
        OrganizationID: SYSTEM_ID,
        Name: user.name,
        BranchID: null,
        Enabled: true,
        CreatorID: SYSTEM_ID,
        ModifierID: null,
        CreationDate: presentDate(user.created),
        ModificationDate: null,
      },
      ERMSNetworkAddress: '',
      DataSource: '',
    },
  }
}
