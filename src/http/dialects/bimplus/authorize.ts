import { z } from 'zod'
import { Refusal } from '../../../locks/errors.ts'
import { MAX_NAME_BYTES } from '../../../locks/session.ts'
import { parseJson } from '../../json.ts'
import { validated } from '../../validation.ts'
import type { WireRoute } from '../../wire-route.ts'
import { TOKEN_TYPE } from './errors.ts'
import { signedIn } from './token.ts'

/** How long a token is good for, whatever is done with it; four weeks for those who want to be remembered. */
const TOKEN_SECONDS = { usual: 2 * 3600, remembered: 28 * 86_400 } as const

const authorizeBody = z.looseObject({
  user_id: z.string().min(1),
  password: z.string().min(1),
  /** Of the vendor's registry of programs, which is not kept here. */
  application_id: z.string().nullish(),
  client_id: z
    .string()
    .refine(value => Buffer.byteLength(value) <= MAX_NAME_BYTES, {
      error: `must be at most ${MAX_NAME_BYTES} bytes of UTF-8`,
    })
    .nullish(),
  remember_me: z.boolean().nullish(),
})

export const authorizeRoutes: readonly WireRoute[] = [
  {
    method: 'POST',
    path: '/v2/authorize',
    statuses: [200, 400, 401, 413, 415],
    async handle({ services, origin, body, actsFor }) {
      const json = parseJson(await body(['application/json']))
      const { user_id, password, client_id, remember_me } = validated(authorizeBody, json, 'body')
      const principal = await services.signIns.verify(user_id, password, origin)
      if (principal === undefined) {
        throw new Refusal(
          'unauthenticated',
          'user_id and password are not those of a user and a key in force',
        )
      }
      actsFor(principal)
      const ttlSeconds = remember_me === true ? TOKEN_SECONDS.remembered : TOKEN_SECONDS.usual
      const client = client_id === '' ? null : (client_id ?? null)
      const { secret } = await services.signIns.open(principal, { client, ttlSeconds })
      return {
        status: 200,
        body: { access_token: secret, expires_in: ttlSeconds, client_id: client, token_type: TOKEN_TYPE },
      }
    },
  },
  {
    method: 'GET',
    path: '/v2/authorize',
    statuses: [200, 401],
    async handle(request) {
      const { session } = await signedIn(request)
      return {
        status: 200,
        body: {
          expires_in: Math.floor(session.expiresInSeconds ?? 0),
          client_id: session.client,
          token_type: TOKEN_TYPE,
        },
      }
    },
  },
]
