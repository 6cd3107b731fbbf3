import type { Failure } from '../../failure.ts'
import type { ErrorPresenter, FailedRequest } from '../../problem.ts'
import { pathOf } from '../../request-target.ts'

/** Of every answer: `application/problem+json` is not read by the client, which would show a text of its own. */
export const LFS_TYPE = 'application/vnd.git-lfs+json'

/** The client looks for the second where the first would make a browser ask for a password. */
const CHALLENGES = {
  'WWW-Authenticate': 'Basic realm="leasehold", charset="UTF-8"',
  'LFS-Authenticate': 'Basic realm="leasehold"',
} as const

/** Errors as the published API has them: a message, and the id under which the log knows the request. */
export const presentGitLfsError: ErrorPresenter = (failure, request) => ({
  status: statusOf(failure, request),
  ...(failure.code === 'unauthenticated' && { headers: CHALLENGES }),
  type: LFS_TYPE,
  body: { message: messageOf(failure), request_id: request.requestId },
})

function statusOf({ code, status }: Failure, { target }: FailedRequest): number {
  if (code === 'invalid_request') return 422
  // a client that gets 404 from here takes the server for one without locks, and sets locksverify to false for
  // good; an address without a repository in it must not come to that
  if (code === 'not_found' && pathOf(target).endsWith('/locks/verify')) return 422
  return status
}

function messageOf({ code, detail }: Failure): string {
  return code === 'not_found'
    ? 'there is no such path: lfs.url has to be the address of a repository, /lfs/{namespace}/{repository}, and only its locks are here'
    : detail
}
