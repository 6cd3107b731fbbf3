/** Why a statement ends locks, as the history calls it. What nobody gave a reason for is `deleted`, by hand. */
export type EndKind = 'released' | 'expired' | 'session_ended' | 'taken_over'

/**
 * A CTE's text that tells the trigger on `locks` why this statement deletes some: a setting that ends with the
 * transaction, which is the statement. The deletion has to be joined with it, or nobody evaluates it.
 */
export function endNote(kind: EndKind): string {
  return `select set_config('lock_events.why', '{"kind":"${kind}"}', true)`
}

/**
 * The same for ends that somebody has to answer for. All three are SQL: the kind, `forced` among them, the user who
 * does it, and why in words. Of forced releases, one of a lock of his own counts as released.
 */
export function signedEndNote(kind: string, by: string, reason: string): string {
  return `select set_config('lock_events.why',
    json_build_object('kind', ${kind}, 'by', ${by}, 'reason', ${reason})::text, true)`
}
