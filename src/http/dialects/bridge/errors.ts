import type { ErrorCode } from '../../../locks/errors.ts'
import { CHALLENGES } from '../../authentication.ts'
import type { ErrorPresenter } from '../../problem.ts'

/**
 * Nothing of the vendor's error bodies is published: this is the form in common use for such an API. The statuses
 * are those of its page, which has no 400 anywhere, and 404 for looking only.
 */
export const presentBridgeError: ErrorPresenter = ({ code, status, detail }, { method }) => ({
  status: statusOf(code, status, method),
  ...(code === 'unauthenticated' && { headers: { 'WWW-Authenticate': CHALLENGES } }),
  body: { errors: [{ message: detail }] },
})

function statusOf(code: ErrorCode, usual: number, method: string): number {
  const isLook = method === 'GET' || method === 'HEAD'
  switch (code) {
    case 'invalid_request':
      return 422
    case 'resource_not_found':
      return isLook ? 404 : 422
    case 'lock_not_found':
      return isLook ? 404 : 409
    default:
      return usual
  }
}
