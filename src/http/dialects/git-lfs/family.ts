import type { WireFamily } from '../../route-family.ts'
import { createRoute } from './create.ts'
import { presentGitLfsError } from './errors.ts'
import { listRoute, verifyRoute } from './list.ts'
import { batchRoute } from './objects.ts'
import { unlockRoute } from './unlock.ts'

/** A path or a branch's name has a few hundred bytes. */
const BODY_LIMIT_BYTES = 64 * 1024

/** The locking API of Git LFS, as `docs/api/locking.md` of Git LFS describes it and git-lfs 3 speaks it. */
export const gitLfs: WireFamily = {
  kind: 'wire',
  prefixes: ['/lfs'],
  bodyLimitBytes: BODY_LIMIT_BYTES,
  presentError: presentGitLfsError,
  routes: [createRoute, listRoute, verifyRoute, unlockRoute, batchRoute],
}
