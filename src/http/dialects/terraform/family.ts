import { type ErrorPresenter, PROBLEM_TYPE, presentProblem, problemDocument } from '../../problem.ts'
import type { WireFamily } from '../../route-family.ts'
import type { WireRequest, WireRoute } from '../../wire-route.ts'
import { lockState, showStateLock, unlockState } from './state-lock.ts'

const PATH = '/terraform/{namespace}/{*name}/lock'

/**
 * Terraform takes a 404 to its question for the state as "there is none yet", and would plan to make everything
 * again. So a state that is looked for here is an error. It is the caller's: a 5xx would be a fault in the log, and one to send
 * again.
 */
const noState: WireRoute['handle'] = async ({ requestId }: WireRequest) => ({
  status: 422,
  type: PROBLEM_TYPE,
  body: {
    ...problemDocument(
      'not_found',
      'this server keeps locks and no states: let `lock_address` and `unlock_address` end in /lock here, and `address` lead to where the state is',
      requestId,
    ),
    title: 'There are no states here',
    status: 422,
  },
})

/**
 * Terraform takes 409 for "somebody holds the lock" and looks for a LockInfo in it. What is refused for another
 * reason must not look so.
 */
const presentError: ErrorPresenter = (failure, request) => {
  const reply = presentProblem(failure, request)
  return reply.status === 409
    ? { ...reply, status: 410, body: { ...Object(reply.body), status: 410 } }
    : reply
}

/**
 * The lock half of the `http` backend of Terraform and OpenTofu. GitLab's way of it (POST and DELETE) is the same
 * on the same path.
 */
export const terraform: WireFamily = {
  kind: 'wire',
  prefixes: ['/terraform'],
  bodyLimitBytes: 16 * 1024,
  presentError,
  routes: [
    ...(['LOCK', 'POST'] as const).map(method => ({
      method,
      path: PATH,
      statuses: [200, 400, 401, 403, 404, 410, 413, 415, 423],
      handle: lockState,
    })),
    ...(['UNLOCK', 'DELETE'] as const).map(method => ({
      method,
      path: PATH,
      statuses: [200, 400, 401, 403, 409, 413, 415],
      handle: unlockState,
    })),
    { method: 'GET', path: PATH, statuses: [200, 400, 401, 403, 404], handle: showStateLock },
    ...(['GET', 'POST', 'PUT', 'DELETE'] as const).map(method => ({
      method,
      path: '/terraform/{*anything}',
      statuses: [422],
      handle: noState,
    })),
  ],
}
