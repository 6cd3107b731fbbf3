import type { HttpAnswer } from '../../bench/http-answer.ts'
import type { Outcome, SeenLock } from '../history/operation.ts'

/** A lock of the native API, as far as it is read here. */
interface LockJson {
  readonly id: string
  readonly fencing_token: number
  readonly resource: { readonly id: string }
  readonly session: string
  readonly reference: string | null
  readonly existing?: boolean
}

export interface Reading {
  readonly outcome: Outcome
  readonly code: string
  readonly seen: readonly SeenLock[]
}

/**
 * Within which the service answers, in ms: ten seconds in a queue, a statement's time-out and some tries, and several
 * pauses of faults that follow each other.
 */
export const DEADLINE_MS = 30_000

/** No answer, since the connection was lost or the client had waited long enough. */
export function lost(gaveUpAfterMs: number | undefined): Reading {
  const isPast = gaveUpAfterMs !== undefined && gaveUpAfterMs > DEADLINE_MS
  const code = gaveUpAfterMs === undefined ? 'no_answer' : isPast ? 'past_deadline' : 'gave_up'
  return { outcome: 'unknown', code, seen: [] }
}

/** What an answer of the native API says. A lock's resource is `k` and its number here. */
export function readAnswer({ status, body }: HttpAnswer): Reading {
  if (status === 204) return { outcome: 'ok', code: '', seen: [] }
  const json = JSON.parse(body)
  if (status < 300) return { outcome: 'ok', code: '', seen: locksIn(json).map(seenOf) }
  const code = String(json.code)
  if (status < 500) return { outcome: 'refused', code, seen: (json.conflicts ?? []).map(seenOf) }
  const isUnchanged = json.outcome === 'unchanged' || code === 'resource_contended'
  return { outcome: isUnchanged ? 'unchanged' : 'unknown', code, seen: [] }
}

function locksIn(json: { locks?: readonly LockJson[] } & Partial<LockJson>): readonly LockJson[] {
  if (json.locks !== undefined) return json.locks
  return json.fencing_token === undefined ? [] : [json as LockJson]
}

function seenOf(lock: LockJson): SeenLock {
  return {
    key: Number(lock.resource.id.slice(1)),
    lock: lock.id,
    token: lock.fencing_token,
    session: lock.session,
    by: lock.reference === null ? -1 : Number(lock.reference),
    existing: lock.existing === true,
  }
}
