import type { Pending } from './pending-acquire.ts'
import type { Verdict } from './verdict.ts'

/** A request, and those behind it that want the same resource. */
export interface Crowd {
  readonly first: Pending
  /** Where each of the crowd, the first one too, stands in the batch. */
  readonly positions: readonly number[]
}

/**
 * The crowds of a batch of requests for one resource each, under sessions of their own. What the database says to the
 * first of a crowd is true for all of it, since all of them had arrived before the statement was sent. So a thousand
 * clients that poll one resource cost the database what one of them does.
 */
export function crowdsOf(batch: readonly Pending[]): readonly Crowd[] {
  const crowds = new Map<string, { first: Pending; positions: number[] }>()
  batch.forEach((pending, position) => {
    const [resource] = pending.request.resources
    const key = JSON.stringify([resource?.namespace, resource?.type, resource?.id])
    const crowd = crowds.get(key)
    if (crowd === undefined) crowds.set(key, { first: pending, positions: [position] })
    else crowd.positions.push(position)
  })
  return [...crowds.values()]
}

/** What the verdict on the first of a crowd means for those behind it. */
export function verdictBehind(first: Verdict): Verdict {
  if (first.kind !== 'granted') return first
  const conflicts = first.grants.map(({ lock }) => lock)
  return { kind: 'conflict', conflicts, conflictCount: conflicts.length }
}
