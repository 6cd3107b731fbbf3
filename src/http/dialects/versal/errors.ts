import type { Failure } from '../../failure.ts'
import type { ErrorPresenter } from '../../problem.ts'
import type { Reply } from '../../route.ts'

/** The body of every error of this API repeats its status. */
export function errorReply(status: number, message: string): Reply {
  return { status, body: { error: status, message } }
}

export const presentVersalError: ErrorPresenter = failure => errorReply(failure.status, messageOf(failure))

/** Two messages are the same for every call; the rest may vary, as the published API says of them. */
function messageOf({ code, detail }: Failure): string {
  switch (code) {
    case 'unauthenticated':
      return 'Invalid credentials'
    case 'forbidden':
      return 'Insufficient permissions'
    default:
      return detail
  }
}
