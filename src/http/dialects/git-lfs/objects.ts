import type { WireRoute } from '../../wire-route.ts'
import { lfsReply } from './presenter.ts'
import { REPOSITORY_PATH } from './repository.ts'

const MESSAGE =
  'this server keeps the locks of Git LFS and no objects: put a transfer agent or another LFS server beside it for those, as docs/git-lfs.md of Leasehold shows'

/**
 * Tells why a file goes neither up nor down. No key is asked for: with one, the answer would be the same. The
 * client shows the message of a 422 as well as that of a 501, and a 501 would be a fault in the log.
 */
export const batchRoute: WireRoute = {
  method: 'POST',
  path: `${REPOSITORY_PATH}/objects/batch`,
  statuses: [422],
  async handle({ requestId }) {
    return lfsReply(422, { message: MESSAGE, request_id: requestId })
  },
}
